#include "vmm-minimal/cmos.h"

#include <algorithm>

#include "vmm-minimal/memory_map.h"

namespace viridian::vmm {
namespace {

constexpr pci::PortRange kPorts[] = {{0x70, 2}};
constexpr uint16_t kIndexPort = 0x70;

// MC146818, tables 2 and 3.
constexpr uint8_t kSeconds = 0, kMinutes = 2, kHours = 4, kWeekday = 6, kDay = 7, kMonth = 8,
                  kYear = 9, kStatusA = 0x0A, kStatusB = 0x0B, kStatusC = 0x0C, kStatusD = 0x0D;
constexpr uint8_t kBinary = 0x04, k24Hours = 0x02, kSetClock = 0x80;  // status B
constexpr uint8_t kPm = 0x80;  // of the hours, with a 12-hour clock
constexpr uint8_t kOscillatorOn = 0x26, kBatteryGood = 0x80;
// What firmware leaves there: PC/AT memory sizes and the century.
constexpr uint8_t kShutdown = 0x0F, kEquipment = 0x14, kBaseKib = 0x15, kExtendedKib = 0x17;
constexpr uint8_t kExtendedKib2 = 0x30, kCentury = 0x32, kAbove16Mib = 0x34, kAbove4Gib = 0x5B;

uint8_t to_bcd(int value) { return static_cast<uint8_t>(value / 10 << 4 | value % 10); }

std::time_t host_time() noexcept { return std::time(nullptr); }

}  // namespace

Cmos::Cmos(uint64_t memory_bytes, Clock now) : now_(now != nullptr ? now : host_time) {
  auto put = [&](uint8_t at, uint64_t value, unsigned bytes) {
    for (unsigned i = 0; i < bytes; ++i)
      ram_[at + i] = static_cast<uint8_t>(value >> (8 * i));
  };
  const uint64_t low = std::min(memory_bytes, kLowMemoryEnd);
  const uint64_t extended_kib = low > kOneMiB ? (low - kOneMiB) >> 10 : 0;
  put(kBaseKib, 640, 2);
  put(kExtendedKib, std::min<uint64_t>(extended_kib, 0xFC00), 2);
  put(kExtendedKib2, std::min<uint64_t>(extended_kib, 0xFC00), 2);
  const uint64_t above_16_mib = low > 16 * kOneMiB ? low - 16 * kOneMiB : 0;
  put(kAbove16Mib, std::min<uint64_t>(above_16_mib >> 16, 0xFFFF), 2);
  put(kAbove4Gib, (memory_bytes - low) >> 16, 3);
  put(kEquipment, 0x02, 1);  // a numeric coprocessor
  reset();
}

void Cmos::reset() noexcept {
  index_ = 0;
  ram_[kStatusA] = kOscillatorOn;
  ram_[kStatusB] = k24Hours;
  ram_[kShutdown] = 0;
}

std::span<const pci::PortRange> Cmos::port_ranges() const noexcept { return kPorts; }

uint32_t Cmos::port_read(uint16_t port, unsigned) noexcept {
  return port == kIndexPort ? 0xFF : read_register();
}

void Cmos::port_write(uint16_t port, unsigned, uint32_t value) noexcept {
  if (port == kIndexPort) {
    index_ = value & 0x7F;  // bit 7 masks NMIs, of which there are none
  } else {
    write_register(static_cast<uint8_t>(value));
  }
}

uint8_t Cmos::read_register() noexcept {
  switch (index_) {
    case kSeconds:
    case kMinutes:
    case kHours:
    case kWeekday:
    case kDay:
    case kMonth:
    case kYear:
    case kCentury:
      return read_clock(index_);
    case kStatusA:
      return ram_[kStatusA] & 0x7F;  // never "update in progress"
    case kStatusC:
      return 0;  // no interrupt was ever raised
    case kStatusD:
      return kBatteryGood;
    default:
      return ram_[index_];
  }
}

uint8_t Cmos::read_clock(uint8_t index) noexcept {
  const std::time_t now = now_();
  std::tm time{};
  ::gmtime_r(&now, &time);
  const bool binary = (ram_[kStatusB] & kBinary) != 0;
  auto encode = [&](int value) { return binary ? static_cast<uint8_t>(value) : to_bcd(value); };
  switch (index) {
    case kSeconds:
      return encode(time.tm_sec);
    case kMinutes:
      return encode(time.tm_min);
    case kHours: {
      if ((ram_[kStatusB] & k24Hours) != 0) return encode(time.tm_hour);
      const int hour = time.tm_hour % 12 == 0 ? 12 : time.tm_hour % 12;
      return encode(hour) | (time.tm_hour >= 12 ? kPm : uint8_t{0});
    }
    case kWeekday:
      return encode(time.tm_wday + 1);
    case kDay:
      return encode(time.tm_mday);
    case kMonth:
      return encode(time.tm_mon + 1);
    case kYear:
      return encode(time.tm_year % 100);
    default:
      return encode(time.tm_year / 100 + 19);
  }
}

// The clock is the host's and cannot be set; a guest's attempt is accepted and has no effect.
void Cmos::write_register(uint8_t value) noexcept {
  switch (index_) {
    case kSeconds:
    case kMinutes:
    case kHours:
    case kWeekday:
    case kDay:
    case kMonth:
    case kYear:
    case kCentury:
    case kStatusC:
    case kStatusD:
      break;
    case kStatusB:
      ram_[kStatusB] = value & (kSetClock | kBinary | k24Hours | 1);
      break;
    default:
      ram_[index_] = value;
  }
}

}  // namespace viridian::vmm
