// The IDE function of Intel's PIIX4 (82371AB datasheet, chapter 4; 8086:7111): two channels at the
// legacy ports and interrupts (1F0h, 3F6h, IRQ 14; 170h, 376h, IRQ 15), two drives each, and the
// bus master in BAR 4 ("Programming Interface for Bus Master IDE Controller", revision 1.0).
//
// Register accesses come on vCPU threads with gate() held. Disk requests run on the reactor's
// thread, and their ends take the gate. Nothing waits under the gate.
//
// Left out: native PCI mode, timing (any mode works at full speed), overlapped and queued commands.
#pragma once

#include <array>
#include <memory>
#include <string>

#include "base/guest_memory.h"
#include "base/result.h"
#include "ide-emu/counters.h"
#include "io/block_device.h"
#include "pci/interrupt_line.h"
#include "pci/pci_function.h"
#include "pci/port_io.h"

namespace viridian::ide {

class Channel;

// What IDENTIFY tells the guest; printable ASCII, no longer than the fields are.
struct DriveIdentity {
  std::string model = "Viridian IDE Disk";  // 40 characters at most
  std::string serial = "0";                 // 20
  std::string firmware = "1.0";             // 8
};

class Controller final : public pci::PciFunction, public pci::PortDevice {
 public:
  // Everything given must outlive the controller.
  Controller(io::Reactor& reactor, const GuestMemory& memory, pci::InterruptLine& primary,
             pci::InterruptLine& secondary);

  // Only while idle(): requests that are out point into the controller.
  ~Controller() override;

  // Before the guest starts. `channel` and `drive` are 0 or 1; the disk belongs to the reactor.
  Result<void> attach_disk(unsigned channel, unsigned drive, io::BlockDevice& disk,
                           DriveIdentity identity);
  // `medium` may be null: no disc in the drive. It is never written.
  Result<void> attach_cdrom(unsigned channel, unsigned drive, io::BlockDevice* medium,
                            DriveIdentity identity = {.model = "Viridian DVD-ROM"});

  // Any thread; these take the gate.
  ChannelCounters counters(unsigned channel) const;
  bool idle() const;  // no disk request is out

  pci::Gate& gate() noexcept override { return gate_; }

  // pci::PciFunction
  pci::ConfigSpace& config() noexcept override { return config_; }
  void config_write(uint8_t offset, unsigned width, uint32_t value) noexcept override;
  uint32_t bar_read(unsigned bar, uint32_t offset, unsigned width) noexcept override;
  void bar_write(unsigned bar, uint32_t offset, unsigned width, uint32_t value) noexcept override;
  void reset() noexcept override;

  // pci::PortDevice
  std::span<const pci::PortRange> port_ranges() const noexcept override;
  uint32_t port_read(uint16_t port, unsigned width) noexcept override;
  void port_write(uint16_t port, unsigned width, uint32_t value) noexcept override;
  void port_read_string(uint16_t port, unsigned width,
                        std::span<std::byte> bytes) noexcept override;
  void port_write_string(uint16_t port, unsigned width,
                         std::span<const std::byte> bytes) noexcept override;

 private:
  Result<void> check_slot(unsigned channel, unsigned drive, const DriveIdentity& identity) const;
  Channel* decode(uint16_t port) noexcept;

  mutable pci::Gate gate_;
  pci::ConfigSpace config_;
  std::array<std::unique_ptr<Channel>, 2> channels_;
};

}  // namespace viridian::ide
