// A PCI function with an I/O and a memory BAR that remembers what reached it, and whether its gate
// was held and the access within the BAR.
#pragma once

#include <vector>

#include "pci/pci_function.h"

namespace viridian::vmm {

class FakePciFunction final : public pci::PciFunction {
 public:
  static constexpr uint32_t kIoBytes = 16, kMemoryBytes = 4096;

  FakePciFunction()
      : config_({.vendor_id = 0x1234,
                 .device_id = 0x5678,
                 .class_code = 2,
                 .subclass = 0,
                 .prog_interface = 0,
                 .revision = 1,
                 .interrupt_pin = 1}) {
    config_.add_bar(0, pci::BarKind::kIo, kIoBytes);
    config_.add_bar(1, pci::BarKind::kMemory32, kMemoryBytes);
  }
  pci::Gate& gate() noexcept override { return gate_; }
  pci::ConfigSpace& config() noexcept override { return config_; }
  uint32_t bar_read(unsigned bar, uint32_t offset, unsigned width) noexcept override {
    check(bar, offset, width);
    return bar << 16 | offset << 8 | width;
  }
  void bar_write(unsigned bar, uint32_t offset, unsigned width, uint32_t value) noexcept override {
    check(bar, offset, width);
    last_bar = bar;
    last_offset = offset;
    last_value = value;
    ++writes;
  }
  std::span<const pci::Doorbell> doorbells() const noexcept override { return bells; }
  void reset() noexcept override {
    config_.reset();
    ++resets;
  }

  std::vector<pci::Doorbell> bells;
  bool held = true, inside = true;
  unsigned last_bar = 9, writes = 0, resets = 0;
  uint32_t last_offset = 0, last_value = 0;

 private:
  void check(unsigned bar, uint32_t offset, unsigned width) noexcept {
    held &= !gate_.try_lock();
    inside &= bar < 2 && offset + width <= (bar == 0 ? kIoBytes : kMemoryBytes);
  }

  pci::Gate gate_;
  pci::ConfigSpace config_;
};

}  // namespace viridian::vmm
