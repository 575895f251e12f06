// One function of an emulated PCI device, as the platform's PCI bus drives it.
#pragma once

#include <cstdint>
#include <span>

#include "pci/config_space.h"
#include "pci/gate.h"
#include "pci/port_io.h"

namespace viridian::pci {

// A 32-bit register whose written value does not matter, only that it was written: the platform may
// let the kernel turn the write into one of `event_fd`, which the function reads on a thread of its
// choice. Such a write does not reach bar_write(); any other does, and has the same effect.
struct Doorbell {
  unsigned bar;
  uint32_t offset;
  int event_fd;  // lives as long as the function
};

// Calls arrive on a vCPU's thread with gate() held. Offsets are relative to the BAR and within its
// size; `width` is 1, 2 or 4.
class PciFunction {
 public:
  virtual ~PciFunction() = default;
  virtual Gate& gate() noexcept = 0;
  virtual ConfigSpace& config() noexcept = 0;
  virtual void config_write(uint8_t offset, unsigned width, uint32_t value) noexcept {
    config().write(offset, width, value);
  }
  virtual uint32_t bar_read(unsigned bar, uint32_t offset, unsigned width) noexcept = 0;
  virtual void bar_write(unsigned bar, uint32_t offset, unsigned width,
                         uint32_t value) noexcept = 0;
  virtual std::span<const Doorbell> doorbells() const noexcept { return {}; }

  // Machine reset: registers return to their power-on values, work in flight is abandoned.
  virtual void reset() noexcept = 0;
};

}  // namespace viridian::pci
