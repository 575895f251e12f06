// The 256 bytes of a conventional PCI function's configuration space: PCI Local Bus 3.0, chapter 6.
// Bytes, a mask of what a write changes, and BARs that answer sizing writes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace viridian::pci {

namespace reg {
constexpr uint8_t kVendorId = 0x00, kDeviceId = 0x02, kCommand = 0x04, kStatus = 0x06;
constexpr uint8_t kRevision = 0x08, kProgInterface = 0x09, kSubclass = 0x0A, kClass = 0x0B;
constexpr uint8_t kHeaderType = 0x0E, kBar0 = 0x10, kSubsystemVendorId = 0x2C;
constexpr uint8_t kSubsystemId = 0x2E, kInterruptLine = 0x3C, kInterruptPin = 0x3D;
}  // namespace reg

namespace command {
constexpr uint16_t kIoSpace = 1, kMemorySpace = 2, kBusMaster = 4, kInterruptDisable = 1 << 10;
}

enum class BarKind : uint8_t { kNone, kIo, kMemory32 };

struct Identity {
  uint16_t vendor_id, device_id;
  uint8_t class_code, subclass, prog_interface, revision;
  uint16_t subsystem_vendor_id = 0, subsystem_id = 0;
  uint8_t interrupt_pin = 0;  // 1 = INTA; 0 = none
  bool multi_function = false;
};

class ConfigSpace {
 public:
  explicit ConfigSpace(const Identity& identity);

  // `size` is a power of two: at least 4 for I/O, 16 for memory.
  void add_bar(unsigned index, BarKind kind, uint32_t size);

  // Lets the guest change `mask` of the 32-bit register at `offset`, which starts as `value`.
  void set_register(uint8_t offset, uint32_t value, uint32_t writable);

  // A guest's access: `width` 1, 2 or 4, within one 32-bit register; anything else reads as ones
  // and writes nothing. (The platform's configuration mechanism never makes one.)
  uint32_t read(uint8_t offset, unsigned width) const noexcept;
  void write(uint8_t offset, unsigned width, uint32_t value) noexcept;

  uint16_t command() const noexcept { return static_cast<uint16_t>(words_[1]); }
  bool bus_master() const noexcept { return (command() & command::kBusMaster) != 0; }

  struct Bar {
    BarKind kind = BarKind::kNone;
    uint32_t size = 0;
    uint32_t base = 0;     // as programmed
    bool enabled = false;  // decoding is on in the command register
  };
  Bar bar(unsigned index) const noexcept;

  // Back to the values at power-on; BARs and their kinds stay.
  void reset() noexcept;

 private:
  std::array<uint32_t, 64> words_{};
  std::array<uint32_t, 64> reset_{};
  std::array<uint32_t, 64> writable_{};
  std::array<Bar, 6> bars_{};
};

}  // namespace viridian::pci
