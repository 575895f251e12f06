// The registers that a command's parameters come in and its results go out by: ATA/ATAPI-7
// volume 1, clause 6.2. Those of 48-bit commands are two deep: a write pushes the older value.
#pragma once

#include <cstdint>

#include "ide-emu/ata_spec.h"

namespace viridian::ide {

struct TaskFile {
  struct Pair {
    uint8_t now = 0, before = 0;
    void push(uint8_t value) { before = now, now = value; }
    uint16_t both() const { return static_cast<uint16_t>(before << 8 | now); }
  };
  Pair features, count, low, mid, high;
  uint8_t device = 0;

  Pair* at(unsigned offset) {
    switch (offset) {
      case port::kFeatures:
        return &features;
      case port::kCount:
        return &count;
      case port::kLbaLow:
        return &low;
      case port::kLbaMid:
        return &mid;
      case port::kLbaHigh:
        return &high;
      default:
        return nullptr;
    }
  }

  bool uses_lba() const { return (device & device_bit::kLba) != 0; }
  uint8_t head() const { return device & device_bit::kHead; }

  uint64_t lba28() const {
    return uint64_t{low.now} | uint64_t{mid.now} << 8 | uint64_t{high.now} << 16 |
           uint64_t{head()} << 24;
  }
  uint64_t lba48() const {
    return uint64_t{low.now} | uint64_t{mid.now} << 8 | uint64_t{high.now} << 16 |
           uint64_t{low.before} << 24 | uint64_t{mid.before} << 32 | uint64_t{high.before} << 40;
  }
  void set_lba28(uint64_t lba) {
    low.now = static_cast<uint8_t>(lba);
    mid.now = static_cast<uint8_t>(lba >> 8);
    high.now = static_cast<uint8_t>(lba >> 16);
    set_head(static_cast<uint8_t>(lba >> 24));
  }
  void set_lba48(uint64_t lba) {
    low = {static_cast<uint8_t>(lba), static_cast<uint8_t>(lba >> 24)};
    mid = {static_cast<uint8_t>(lba >> 8), static_cast<uint8_t>(lba >> 32)};
    high = {static_cast<uint8_t>(lba >> 16), static_cast<uint8_t>(lba >> 40)};
  }
  void set_head(uint8_t value) {
    device = static_cast<uint8_t>((device & ~device_bit::kHead) | (value & device_bit::kHead));
  }

  // A count of zero means the largest.
  uint32_t sectors28() const { return count.now == 0 ? 256 : count.now; }
  uint32_t sectors48() const { return count.both() == 0 ? 65536 : count.both(); }
};

}  // namespace viridian::ide
