// The ports of a PC that software pokes although nothing is behind them here: reset by CF9h, port
// 92h and the keyboard controller's command FEh, and POST codes. Intel PIIX3/PIIX4 data sheets.
// There is no keyboard: the FADT says so, and the status port always reads "idle".
#pragma once

#include "pci/port_io.h"
#include "vmm-minimal/exit_handlers.h"

namespace viridian::vmm {

class LegacyPorts final : public pci::PortDevice {
 public:
  explicit LegacyPorts(PowerControl& power) : power_(power) {}

  std::span<const pci::PortRange> port_ranges() const noexcept override;
  pci::Gate& gate() noexcept override { return gate_; }
  uint32_t port_read(uint16_t port, unsigned width) noexcept override;
  void port_write(uint16_t port, unsigned width, uint32_t value) noexcept override;
  void reset() noexcept;

  uint8_t post_code() const noexcept { return post_code_; }

 private:
  PowerControl& power_;
  pci::Gate gate_;
  uint8_t post_code_ = 0;
  uint8_t reset_control_ = 0;  // CF9h
};

}  // namespace viridian::vmm
