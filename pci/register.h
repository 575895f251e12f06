// Registers as their datasheets print them: a reset value, the bits a write changes, and the bits
// that a written one clears. Fields are named high bit first.
#pragma once

#include <cstdint>
#include <string_view>

namespace viridian::pci {

struct RegisterSpec {
  uint16_t offset;
  std::string_view name;
  uint32_t reset;
  uint32_t writable;
  uint32_t write_one_clears;
};

constexpr uint32_t after_write(const RegisterSpec& spec, uint32_t old, uint32_t value) {
  return ((old & ~spec.writable) | (value & spec.writable)) & ~(value & spec.write_one_clears);
}

template <unsigned High, unsigned Low = High>
struct Field {
  static_assert(High >= Low && High < 32);
  static constexpr uint32_t kMask = (~0u >> (31 - High + Low)) << Low;
  static constexpr uint32_t get(uint32_t word) { return (word & kMask) >> Low; }
  static constexpr uint32_t with(uint32_t word, uint32_t value) {
    return (word & ~kMask) | ((value << Low) & kMask);
  }
};

}  // namespace viridian::pci
