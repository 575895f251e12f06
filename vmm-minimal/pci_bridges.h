// The two functions that make a PCI machine of this age: the i440FX host bridge (0:0.0) and the
// PIIX4 ISA bridge (0:1.0). Only their identity matters to a kernel, so they are no more than
// configuration spaces. Intel 82441FX and 82371AB data sheets.
#pragma once

#include "pci/pci_function.h"

namespace viridian::vmm {

// A function without BARs and without behaviour.
class StaticFunction final : public pci::PciFunction {
 public:
  explicit StaticFunction(const pci::Identity& identity) : config_(identity) {}
  pci::Gate& gate() noexcept override { return gate_; }
  pci::ConfigSpace& config() noexcept override { return config_; }
  uint32_t bar_read(unsigned, uint32_t, unsigned) noexcept override { return ~0u; }
  void bar_write(unsigned, uint32_t, unsigned, uint32_t) noexcept override {}
  void reset() noexcept override { config_.reset(); }

 private:
  pci::Gate gate_;
  pci::ConfigSpace config_;
};

constexpr pci::Identity kHostBridge = {.vendor_id = 0x8086,
                                       .device_id = 0x1237,
                                       .class_code = 6,
                                       .subclass = 0,
                                       .prog_interface = 0,
                                       .revision = 2};
constexpr pci::Identity kIsaBridge = {.vendor_id = 0x8086,
                                      .device_id = 0x7110,
                                      .class_code = 6,
                                      .subclass = 1,
                                      .prog_interface = 0,
                                      .revision = 1,
                                      .multi_function = true};

}  // namespace viridian::vmm
