#include "pci/config_space.h"

namespace viridian::pci {
namespace {

constexpr unsigned kCommandWord = reg::kCommand / 4;
constexpr unsigned kBarWord = reg::kBar0 / 4;
constexpr unsigned kInterruptWord = reg::kInterruptLine / 4;
constexpr uint32_t kIoBarFlag = 1;

}  // namespace

ConfigSpace::ConfigSpace(const Identity& id) {
  reset_[0] = id.vendor_id | uint32_t{id.device_id} << 16;
  reset_[2] = id.revision | uint32_t{id.prog_interface} << 8 | uint32_t{id.subclass} << 16 |
              uint32_t{id.class_code} << 24;
  reset_[3] = id.multi_function ? 0x800000u : 0u;
  reset_[11] = id.subsystem_vendor_id | uint32_t{id.subsystem_id} << 16;
  reset_[kInterruptWord] = uint32_t{id.interrupt_pin} << 8;
  writable_[kInterruptWord] = 0xFF;
  writable_[kCommandWord] =
      command::kIoSpace | command::kMemorySpace | command::kBusMaster | command::kInterruptDisable;
  words_ = reset_;
}

void ConfigSpace::add_bar(unsigned index, BarKind kind, uint32_t size) {
  bars_[index] = {.kind = kind, .size = size};
  writable_[kBarWord + index] = ~(size - 1);  // a sizing write of ones reads back as the mask
  reset_[kBarWord + index] = kind == BarKind::kIo ? kIoBarFlag : 0;
  words_[kBarWord + index] = reset_[kBarWord + index];
}

void ConfigSpace::set_register(uint8_t offset, uint32_t value, uint32_t writable) {
  reset_[offset / 4] = words_[offset / 4] = value;
  writable_[offset / 4] = writable;
}

uint32_t ConfigSpace::read(uint8_t offset, unsigned width) const noexcept {
  const unsigned byte = offset % 4;
  if (width == 0 || byte + width > 4) return ~0u;
  const uint32_t word = words_[offset / 4] >> (8 * byte);
  return width == 4 ? word : word & ((1u << (8 * width)) - 1);
}

void ConfigSpace::write(uint8_t offset, unsigned width, uint32_t value) noexcept {
  const unsigned byte = offset % 4;
  if (width == 0 || byte + width > 4) return;
  const uint32_t lanes = (width == 4 ? ~0u : (1u << (8 * width)) - 1) << (8 * byte);
  const uint32_t mask = lanes & writable_[offset / 4];
  uint32_t& word = words_[offset / 4];
  word = (word & ~mask) | ((value << (8 * byte)) & mask);
}

ConfigSpace::Bar ConfigSpace::bar(unsigned index) const noexcept {
  Bar bar = bars_[index];
  if (bar.kind == BarKind::kNone) return bar;
  bar.base = words_[kBarWord + index] & ~(bar.size - 1);
  const uint16_t needed = bar.kind == BarKind::kIo ? command::kIoSpace : command::kMemorySpace;
  bar.enabled = (command() & needed) != 0;
  return bar;
}

void ConfigSpace::reset() noexcept { words_ = reset_; }

}  // namespace viridian::pci
