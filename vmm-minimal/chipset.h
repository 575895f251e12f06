// Everything on the board that is not a disk: serial port, clock, ACPI and reset ports, PCI bus
// with its bridges, and, unless hidden, the Hyper-V interface with its SynIC.
// Built and ended on the main thread; the devices are called on the vCPUs'.
#pragma once

#include <memory>
#include <optional>

#include "vmm-minimal/acpi_pm.h"
#include "vmm-minimal/cmos.h"
#include "vmm-minimal/hyperv.h"
#include "vmm-minimal/kvm_synic.h"
#include "vmm-minimal/legacy_ports.h"
#include "vmm-minimal/pci_bridges.h"
#include "vmm-minimal/pci_bus.h"
#include "vmm-minimal/serial.h"

namespace viridian::vmm {

// What the board is put on; all outlive the chipset.
struct Board {
  Vm& vm;
  IoBus& bus;
  const GuestMemory& memory;
  PowerControl& power;
};

struct ChipsetConfig {
  uint64_t memory_bytes;
  int console_event;  // for Serial
  std::optional<HypervConfig> hyperv;
};

class Chipset {
 public:
  static Result<std::unique_ptr<Chipset>> create(const Board& board, const ChipsetConfig& config);

  Serial& serial() { return serial_; }
  PciBus& pci() { return *pci_; }
  Hyperv* hyperv() { return hyperv_ ? &*hyperv_ : nullptr; }  // null if hidden
  Synic* synic() { return synic_ ? &*synic_ : nullptr; }

  void append_stats(Stats& stats) const;

 private:
  Chipset(const Board& board, const ChipsetConfig& config);
  Result<void> connect(const Board& board, const ChipsetConfig& config);

  IrqLine serial_irq_;
  Serial serial_;
  Cmos cmos_;
  AcpiPm acpi_pm_;
  LegacyPorts legacy_;
  StaticFunction host_bridge_{kHostBridge};
  StaticFunction isa_bridge_{kIsaBridge};
  std::unique_ptr<PciBus> pci_;
  std::unique_ptr<KvmSynic> kvm_synic_;
  std::optional<Synic> synic_;
  std::optional<Hyperv> hyperv_;
};

}  // namespace viridian::vmm
