// ACPI's fixed hardware: PM1a event and control blocks and the PM timer. ACPI 6.4, section 4.8.
// There are no events (no buttons, no wake-up), so the SCI never fires; SLP_EN with S5's type
// switches the machine off.
#pragma once

#include <cstdint>

#include "pci/port_io.h"
#include "vmm-minimal/exit_handlers.h"

namespace viridian::vmm {

class AcpiPm final : public pci::PortDevice {
 public:
  static constexpr uint16_t kBase = 0x600;
  static constexpr uint16_t kEvent = kBase, kControl = kBase + 4, kTimer = kBase + 8;
  static constexpr uint16_t kSciEnable = 1, kSleepEnable = 1 << 13;
  static constexpr unsigned kSleepTypeShift = 10;
  static constexpr uint16_t kSleepTypeS5 = 5;  // as the DSDT's \_S5 says
  static constexpr uint64_t kTimerHz = 3'579'545;
  using Clock = uint64_t (*)() noexcept;  // nanoseconds, never backwards

  explicit AcpiPm(PowerControl& power, Clock now_ns = nullptr);

  std::span<const pci::PortRange> port_ranges() const noexcept override;
  pci::Gate& gate() noexcept override { return gate_; }
  uint32_t port_read(uint16_t port, unsigned width) noexcept override;
  void port_write(uint16_t port, unsigned width, uint32_t value) noexcept override;
  void reset() noexcept;

 private:
  uint32_t timer() const noexcept;

  PowerControl& power_;
  Clock now_ns_;
  pci::Gate gate_;
  uint16_t enable_ = 0, control_ = kSciEnable;
};

}  // namespace viridian::vmm
