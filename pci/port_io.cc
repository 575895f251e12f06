#include "pci/port_io.h"

#include <cstring>

namespace viridian::pci {

// Guest and host are both x86, so a unit's bytes in memory are its value's bytes.
void PortDevice::port_read_string(uint16_t port, unsigned width,
                                  std::span<std::byte> bytes) noexcept {
  for (; bytes.size() >= width; bytes = bytes.subspan(width)) {
    const uint32_t value = port_read(port, width);
    std::memcpy(bytes.data(), &value, width);
  }
}

void PortDevice::port_write_string(uint16_t port, unsigned width,
                                   std::span<const std::byte> bytes) noexcept {
  for (; bytes.size() >= width; bytes = bytes.subspan(width)) {
    uint32_t value = 0;
    std::memcpy(&value, bytes.data(), width);
    port_write(port, width, value);
  }
}

}  // namespace viridian::pci
