// The battery-backed clock and RAM behind ports 70h and 71h: Motorola MC146818, and the bytes where
// a PC's firmware keeps its memory sizes and the shutdown code. The clock is the host's, in UTC,
// and cannot be set.
// Left out: alarm, periodic and update interrupts (Linux and Windows read the clock by polling).
#pragma once

#include <array>
#include <cstdint>
#include <ctime>

#include "pci/port_io.h"

namespace viridian::vmm {

class Cmos final : public pci::PortDevice {
 public:
  using Clock = std::time_t (*)() noexcept;

  // `now`: the host's clock; tests bring their own.
  explicit Cmos(uint64_t memory_bytes, Clock now = nullptr);

  std::span<const pci::PortRange> port_ranges() const noexcept override;
  pci::Gate& gate() noexcept override { return gate_; }
  uint32_t port_read(uint16_t port, unsigned width) noexcept override;
  void port_write(uint16_t port, unsigned width, uint32_t value) noexcept override;
  void reset() noexcept;

 private:
  uint8_t read_register() noexcept;
  uint8_t read_clock(uint8_t index) noexcept;
  void write_register(uint8_t value) noexcept;

  Clock now_;
  pci::Gate gate_;
  uint8_t index_ = 0;
  std::array<uint8_t, 128> ram_{};
};

}  // namespace viridian::vmm
