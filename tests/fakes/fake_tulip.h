// The guest's side of a 21140: drives the registers as Linux's tulip driver does (bit by bit for
// the serial ROM and the PHY) and keeps a transmit and a receive list in guest memory.
//
// One thread; the NIC's worker may be another. The words that pass descriptors over are atomics.
#pragma once

#include <atomic>
#include <optional>
#include <span>
#include <vector>

#include "base/guest_memory.h"
#include "nic-21140/descriptor_format.h"
#include "pci/pci_function.h"

namespace viridian::tulip {

using Bytes = std::vector<std::byte>;

class FakeTulip {
 public:
  enum class Lists : uint8_t { kRing, kChain };
  static constexpr unsigned kTransmitCount = 32, kReceiveCount = 128;  // as Linux has them
  static constexpr uint32_t kBufferBytes = 1536;
  static constexpr uint32_t kMemoryBytes = 512 << 10;  // it uses from `base` on

  FakeTulip(pci::PciFunction& nic, const GuestMemory& memory, uint32_t base = 0,
            Lists lists = Lists::kRing, unsigned bar = 0);

  uint32_t in(unsigned csr);
  void out(unsigned csr, uint32_t value);
  void config_out(uint8_t offset, unsigned width, uint32_t value);
  uint32_t config_in(uint8_t offset, unsigned width);

  // Probe.
  uint32_t srom_bits(unsigned word, unsigned address_bits);
  unsigned srom_address_bits() { return (srom_bits(0xFF, 8) & 0x40000) != 0 ? 8 : 6; }
  uint16_t read_srom(unsigned word);
  uint16_t read_phy(unsigned phy, unsigned reg);
  void write_phy(unsigned phy, unsigned reg, uint16_t value);

  // Open: memory for the lists, reset, list addresses, a setup frame for `mac`, start.
  void make_lists();
  void open(std::span<const uint8_t, 6> mac, uint32_t mode = 0, uint32_t enabled = 0x0001EBEF);

  // Transmit.
  void give_setup(uint32_t flags, const SetupFrame& frame, uint32_t bytes = sizeof(SetupFrame));
  void give(std::span<const std::byte> frame, unsigned segments = 1, uint32_t flags = 0);
  void send(std::span<const std::byte> frame) { give(frame), out(1, 0); }
  unsigned transmits_pending() const;                 // still the chip's
  uint32_t transmit_status(unsigned index) const;     // of the descriptor at `index`
  uint32_t transmit_status_back(unsigned back) const  // of the last given, or one before it
  {
    return transmit_status((next_transmit_ - 1 - back) % kTransmitCount);
  }

  // The next received frame without its FCS, or nothing. Gives its buffers back unless told not to.
  std::optional<Bytes> receive(bool refill = true);
  uint32_t receive_status() const { return status_; }  // RDES0 of the last frame received
  void refill_all();

  void set_receive_buffer_bytes(uint32_t first, uint32_t second);  // before make_lists()
  uint32_t transmit_at(unsigned index) const { return transmit_list_ + 16 * index; }
  uint32_t receive_at(unsigned index) const { return receive_list_ + 16 * index; }
  const GuestMemory& memory() const { return memory_; }
  std::atomic_ref<uint32_t> word(uint32_t address) const;

  static SetupFrame perfect(std::span<const std::array<uint8_t, 6>> addresses);
  static SetupFrame hash(std::span<const std::array<uint8_t, 6>> multicast,
                         std::span<const uint8_t, 6> own);

 private:
  uint32_t list_control(unsigned index, unsigned count) const;
  void put_transmit(uint32_t buffer, uint32_t control, bool owned);

  pci::PciFunction& nic_;
  const GuestMemory& memory_;
  Lists lists_;
  unsigned bar_;
  uint32_t transmit_list_, receive_list_, transmit_buffers_, receive_buffers_, setup_at_;
  uint32_t first_bytes_ = kBufferBytes, second_bytes_ = 0;
  unsigned next_transmit_ = 0, next_receive_ = 0;
  uint32_t status_ = 0;
};

}  // namespace viridian::tulip
