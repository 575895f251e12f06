// A DECchip 21140A with its board (serial ROM, PHY) as Hyper-V's legacy network adapter presents
// it: "21140A Hardware Reference Manual". To the guest a PCI function, to the switch a port.
//
// One gate guards everything: registers come on vCPUs' threads with it held, and the worker, whose
// reactor's thread calls the port's side, takes it once for a burst. Descriptors are walked by the
// worker alone: a poll demand is an eventfd, which KVM rings without a way into user space.
//
// Left out: boot ROM, big-endian descriptors and buffers, collisions, and the early interrupts,
// which the interrupt that follows at once would clear.
#pragma once

#include <array>
#include <memory>

#include "io/event_source.h"
#include "io/timer_source.h"
#include "nic-21140/core.h"
#include "nic-21140/mii.h"
#include "nic-21140/receiver.h"
#include "nic-21140/srom.h"
#include "nic-21140/transmitter.h"
#include "pci/pci_function.h"
#include "vswitch/dpdk.h"
#include "vswitch/switch_port.h"

namespace viridian::tulip {

// What becomes of a VLAN tag in a frame that the guest sends. Towards the guest, a tag that the
// switch leaves on a frame is always put back into it.
enum class VlanTags : uint8_t {
  kParsed,  // the switch sees it, and judges it by the port's VLAN settings
  kData,    // it is payload, as on an access port of Hyper-V's
};

struct NicSettings {
  MacAddress mac{};
  VlanTags vlan_tags = VlanTags::kParsed;
  bool multi_function = false;  // of the PCI header
};

class Nic final : public pci::PciFunction, public vswitch::SwitchPort {
 public:
  // Everything given must outlive the NIC. `pool` belongs to the worker.
  static Result<std::unique_ptr<Nic>> create(io::Reactor& reactor, const GuestMemory& memory,
                                             pci::InterruptLine& line, rte_mempool& pool,
                                             const NicSettings& settings);
  ~Nic() override;  // after stopped()

  // Reactor's thread. After stop(), made with the vCPUs ended, nothing of the guest arrives any
  // more; the NIC must live until stopped(), which takes at most one more turn of the reactor.
  void start() noexcept;
  void stop() noexcept;
  bool stopped() const noexcept;

  // Any thread.
  void set_link(bool up) noexcept override;
  bool failed() const noexcept;  // stands until the guest resets it: statistics().errors has why
  const Statistics& statistics() const noexcept { return core_.statistics; }

  // pci::PciFunction
  pci::Gate& gate() noexcept override { return gate_; }
  pci::ConfigSpace& config() noexcept override { return config_; }
  void config_write(uint8_t offset, unsigned width, uint32_t value) noexcept override;
  uint32_t bar_read(unsigned bar, uint32_t offset, unsigned width) noexcept override;
  void bar_write(unsigned bar, uint32_t offset, unsigned width, uint32_t value) noexcept override;
  std::span<const pci::Doorbell> doorbells() const noexcept override { return doorbells_; }
  void reset() noexcept override;

  // vswitch::SwitchPort
  vswitch::PortFeatures features() const noexcept override { return {}; }
  uint16_t receive(std::span<rte_mbuf*> frames) noexcept override;
  uint16_t transmit(std::span<rte_mbuf* const> frames) noexcept override;
  bool arm() noexcept override { return !work_; }
  void disarm() noexcept override {}

 private:
  Nic(const GuestMemory& memory, pci::InterruptLine& line, rte_mempool& pool,
      const NicSettings& settings);
  Result<void> connect(io::Reactor& reactor);

  // With the gate held.
  uint32_t read_csr(unsigned number) noexcept;
  void write_csr(unsigned number, uint32_t value) noexcept;
  uint32_t read_status() const noexcept;
  uint32_t read_serial() const noexcept;
  void write_bus_mode(uint32_t value) noexcept;
  void write_mode(uint32_t value) noexcept;
  void write_serial(uint32_t value) noexcept;
  void write_timer(uint32_t value) noexcept;
  uint32_t read_timer() const noexcept;
  void write_pins(uint32_t value) noexcept;
  std::chrono::nanoseconds timer_unit() const noexcept;
  void software_reset() noexcept;

  // Worker's thread.
  void transmit_demanded() noexcept;
  void receive_demanded() noexcept;
  void timer_expired() noexcept;
  bool finish(rte_mbuf& frame) noexcept;

  mutable pci::Gate gate_;
  pci::ConfigSpace config_;
  Core core_;
  Transmitter transmitter_;
  Receiver receiver_;
  Srom srom_;
  Mii mii_;
  std::array<uint32_t, kCsrCount> csr_{};  // what was written, where it is no one else's
  uint8_t pins_ = 0, pin_outputs_ = 0;     // CSR12: levels and directions
  bool timer_on_ = false;
  const VlanTags vlan_tags_;

  std::unique_ptr<io::EventSource> transmit_bell_, receive_bell_;
  std::unique_ptr<io::TimerSource> timer_, auto_poll_;
  std::array<pci::Doorbell, 4> doorbells_{};
  bool work_ = false;  // the worker's alone: poll() may find something
};

}  // namespace viridian::tulip
