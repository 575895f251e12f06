#include "ide-emu/smart.h"

#include <array>

namespace viridian::ide {
namespace {

using Page = std::array<std::byte, 512>;

constexpr uint8_t kLogDirectory = 0x00, kLogSummaryErrors = 0x01, kLogSelfTest = 0x06;

// The last byte makes the sum of all 512 zero.
constexpr Page sealed(Page page) {
  unsigned sum = 0;
  for (std::byte byte : page)
    sum += std::to_integer<unsigned>(byte);
  page[511] = static_cast<std::byte>(0x100 - (sum & 0xFF));
  return page;
}

constexpr void put(Page& page, size_t at, std::initializer_list<unsigned> bytes) {
  for (unsigned byte : bytes)
    page[at++] = static_cast<std::byte>(byte);
}

// SFF-8035i: revision 16, then attributes of twelve bytes: id, flags, value, worst, raw, 0.
constexpr Page make_data() {
  Page page{};
  put(page, 0, {0x10, 0x00});
  put(page, 2, {5, 0x03, 0x00, 100, 100});         // reallocated sectors: none
  put(page, 14, {194, 0x02, 0x00, 100, 100, 30});  // temperature: 30 degrees
  put(page, 368, {0x03, 0x00});  // error and self-test logs; no off-line collection
  put(page, 370, {0x01});        // error logging
  return sealed(page);
}

constexpr Page make_thresholds() {
  Page page{};
  put(page, 0, {0x10, 0x00});
  put(page, 2, {5, 36});
  put(page, 14, {194, 0});
  return sealed(page);
}

constexpr Page make_directory() {
  Page page{};
  put(page, 0, {1});
  put(page, 2 * kLogSummaryErrors, {1});
  put(page, 2 * kLogSelfTest, {1});
  return page;  // the directory has no checksum
}

// Version 1, no entry.
constexpr Page make_empty_log() {
  Page page{};
  put(page, 0, {1});
  return sealed(page);
}

constexpr Page kData = make_data(), kThresholds = make_thresholds();
constexpr Page kDirectory = make_directory(), kEmptyLog = make_empty_log();

}  // namespace

std::span<const std::byte> smart_data() { return kData; }
std::span<const std::byte> smart_thresholds() { return kThresholds; }

std::optional<std::span<const std::byte>> smart_log(uint8_t address) {
  switch (address) {
    case kLogDirectory:
      return kDirectory;
    case kLogSummaryErrors:
    case kLogSelfTest:
      return kEmptyLog;
    default:
      return std::nullopt;
  }
}

}  // namespace viridian::ide
