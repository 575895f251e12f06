// PCI bus 0: configuration mechanism 1 (CF8h/CFCh, PCI Local Bus 3.0, 3.2.2.3), and the decoding
// of its functions' BARs. Every call reaches a function with its gate held.
//
// Functions are added before the guest starts. An I/O BAR is a device on the IoBus that moves when
// the guest programs it; memory BARs are found inside the PCI window, whose one MmioDevice the bus
// itself is. Left out: bridges, 64-bit BARs, MSI.
#pragma once

#include <array>
#include <memory>
#include <string_view>

#include "pci/pci_function.h"
#include "vmm-minimal/io_bus.h"
#include "vmm-minimal/kvm.h"

namespace viridian::vmm {

class PciBus final : public pci::PortDevice, public MmioDevice {
 public:
  static constexpr unsigned kDevices = 32, kFunctionsPerDevice = 8;

  // Puts itself on `io_bus`. With `vm`, which outlives it, doorbells of functions are ioeventfds.
  static Result<std::unique_ptr<PciBus>> create(IoBus& io_bus, Vm* vm = nullptr);
  // With the vCPUs stopped; takes the ioeventfds back.
  ~PciBus() override;

  // Before the guest starts. `function` outlives the bus; `name` is shown in the counters.
  Result<void> add(unsigned device, unsigned function, std::string_view name,
                   pci::PciFunction& target);

  // What firmware does before it boots a kernel: places for BARs, interrupt lines, decoding on.
  void assign_resources() noexcept;

  // Machine reset, with the vCPUs stopped: every function, its BARs, and the address register.
  void reset() noexcept;

  // The I/O APIC pin of INTA-INTD (`pin` 1 to 4) of `device`, as the DSDT's _PRT says.
  static uint32_t gsi_of(unsigned device, unsigned pin) { return 16 + ((device + pin - 1) & 3); }

  std::span<const pci::PortRange> port_ranges() const noexcept override;
  pci::Gate& gate() noexcept override { return gate_; }
  uint32_t port_read(uint16_t port, unsigned width) noexcept override;
  void port_write(uint16_t port, unsigned width, uint32_t value) noexcept override;
  uint64_t mmio_read(uint64_t offset, unsigned width) noexcept override;
  void mmio_write(uint64_t offset, unsigned width, uint64_t value) noexcept override;

 private:
  class Slot;

  PciBus(IoBus& io_bus, Vm* vm);
  Slot* selected() noexcept;
  template <class Use>
  bool with_memory_bar(uint64_t address, unsigned width, Use&& use) noexcept;

  IoBus& io_bus_;
  Vm* vm_;
  pci::Gate gate_;  // taken before a function's
  uint32_t address_ = 0;
  std::array<std::unique_ptr<Slot>, kDevices * kFunctionsPerDevice> slots_;
};

}  // namespace viridian::vmm
