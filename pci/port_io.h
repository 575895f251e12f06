// Fixed I/O ports of a device: those that exist without a BAR, such as 1F0h of an IDE channel.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "pci/gate.h"

namespace viridian::pci {

struct PortRange {
  uint16_t base;
  uint16_t count;
};

// Calls arrive on a vCPU's thread with gate() held. `width` is 1, 2 or 4 bytes.
class PortDevice {
 public:
  virtual ~PortDevice() = default;
  virtual std::span<const PortRange> port_ranges() const noexcept = 0;
  virtual Gate& gate() noexcept = 0;

  virtual uint32_t port_read(uint16_t port, unsigned width) noexcept = 0;
  virtual void port_write(uint16_t port, unsigned width, uint32_t value) noexcept = 0;

  // INS and OUTS: `bytes` holds a whole number of units of `width`, all for the same port.
  virtual void port_read_string(uint16_t port, unsigned width, std::span<std::byte> bytes) noexcept;
  virtual void port_write_string(uint16_t port, unsigned width,
                                 std::span<const std::byte> bytes) noexcept;
};

}  // namespace viridian::pci
