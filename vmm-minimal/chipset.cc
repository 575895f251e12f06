#include "vmm-minimal/chipset.h"

#include "vmm-minimal/memory_map.h"

namespace viridian::vmm {

Chipset::Chipset(const Board& board, const ChipsetConfig& config)
    : serial_irq_(board.vm, kSerialGsi),
      serial_(serial_irq_, config.console_event),
      cmos_(config.memory_bytes),
      acpi_pm_(board.power),
      legacy_(board.power) {}

Result<std::unique_ptr<Chipset>> Chipset::create(const Board& board, const ChipsetConfig& config) {
  std::unique_ptr<Chipset> chipset(new Chipset(board, config));
  VIRIDIAN_TRY(chipset->connect(board, config));
  return chipset;
}

Result<void> Chipset::connect(const Board& board, const ChipsetConfig& config) {
  VIRIDIAN_TRY(board.bus.add("serial", serial_));
  VIRIDIAN_TRY(board.bus.add("cmos", cmos_));
  VIRIDIAN_TRY(board.bus.add("acpi-pm", acpi_pm_));
  VIRIDIAN_TRY(board.bus.add("legacy", legacy_));

  auto pci = PciBus::create(board.bus, &board.vm);
  if (!pci) return Unexpected(pci.error());
  pci_ = std::move(*pci);
  VIRIDIAN_TRY(pci_->add(0, 0, "host-bridge", host_bridge_));
  VIRIDIAN_TRY(pci_->add(1, 0, "isa-bridge", isa_bridge_));

  if (!config.hyperv) return {};
  auto kvm_synic = KvmSynic::create(board.vm, config.hyperv->features.cpu_count);
  if (!kvm_synic) return Unexpected(kvm_synic.error());
  kvm_synic_ = std::move(*kvm_synic);
  synic_.emplace(board.memory, *kvm_synic_, config.hyperv->features.cpu_count);
  hyperv_.emplace(board.memory, *synic_, board.power, *config.hyperv);
  VIRIDIAN_TRY(board.bus.add("hyperv-signal", *hyperv_));
  return {};
}

void Chipset::append_stats(Stats& stats) const {
  serial_.append_stats(stats);
  stats.push_back({"interrupts", "serial", serial_irq_.rises()});
  if (!hyperv_) return;
  hyperv_->append_stats(stats);
  synic_->append_stats(stats);
}

}  // namespace viridian::vmm
