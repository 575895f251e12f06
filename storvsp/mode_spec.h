// Mode parameters: SPC-4 7.5 (headers, control page), SBC-3 6.5 (caching page).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/endian.h"

namespace viridian::storvsp {

struct ModeSense6Cdb {  // SPC-4 6.13
  uint8_t operation, flags, page, subpage, allocation, control;
};
static_assert(WireStruct<ModeSense6Cdb> && sizeof(ModeSense6Cdb) == 6);

struct ModeSense10Cdb {  // SPC-4 6.14
  uint8_t operation, flags, page, subpage;
  std::array<uint8_t, 3> reserved;
  be16 allocation;
  uint8_t control;
};
static_assert(WireStruct<ModeSense10Cdb> && sizeof(ModeSense10Cdb) == 10);
constexpr uint8_t kModeNoBlockDescriptors = 0x08;  // DBD

struct ModeSelect6Cdb {  // SPC-4 6.11
  uint8_t operation, flags;
  std::array<uint8_t, 2> reserved;
  uint8_t length, control;
};
static_assert(WireStruct<ModeSelect6Cdb> && sizeof(ModeSelect6Cdb) == 6);

struct ModeSelect10Cdb {  // SPC-4 6.12
  uint8_t operation, flags;
  std::array<uint8_t, 5> reserved;
  be16 length;
  uint8_t control;
};
static_assert(WireStruct<ModeSelect10Cdb> && sizeof(ModeSelect10Cdb) == 10);
constexpr uint8_t kModeSelectPageFormat = 0x10;  // PF
constexpr uint8_t kModeSelectSavePages = 0x01;   // SP

struct ModeHeader6 {  // SPC-4 7.5.5
  uint8_t data_length, medium_type, device_specific, descriptor_length;
};
static_assert(WireStruct<ModeHeader6> && sizeof(ModeHeader6) == 4);

struct ModeHeader10 {
  be16 data_length;
  uint8_t medium_type, device_specific, long_lba, reserved;
  be16 descriptor_length;
};
static_assert(WireStruct<ModeHeader10> && sizeof(ModeHeader10) == 8);
constexpr uint8_t kModeWriteProtected = 0x80;  // SBC-3 6.5.1, device-specific parameter
constexpr uint8_t kModeFuaSupported = 0x10;    // DPOFUA

struct ModeBlockDescriptor {  // SBC-3 6.5.2.2: the count is FFFFFFFFh for more blocks than fit
  be32 count;
  uint8_t reserved;
  std::array<uint8_t, 3> block_size;
};
static_assert(WireStruct<ModeBlockDescriptor> && sizeof(ModeBlockDescriptor) == 8);

namespace mode_page {
constexpr uint8_t kErrorRecovery = 0x01;
constexpr uint8_t kCaching = 0x08;
constexpr uint8_t kControl = 0x0a;
constexpr uint8_t kCapabilities = 0x2a;
constexpr uint8_t kAll = 0x3f;
}  // namespace mode_page
constexpr uint8_t kModePageCode = 0x3f;
constexpr uint8_t kModeSubpageFormat = 0x40;
constexpr uint8_t kModeAllSubpages = 0xff;

// The two high bits of the page byte, SPC-4 6.13.1.
enum class ModeValues : uint8_t { kCurrent, kChangeable, kDefault, kSaved };

struct CachingPage {  // SBC-3 6.5.5
  uint8_t page, length, flags;
  std::array<uint8_t, 17> rest;
};
static_assert(WireStruct<CachingPage> && sizeof(CachingPage) == 20);
constexpr uint8_t kCachingWriteBack = 0x04;  // WCE

struct ControlPage {  // SPC-4 7.5.8
  uint8_t page, length, flags2, queueing, flags4, flags5;
  std::array<uint8_t, 6> rest;
};
static_assert(WireStruct<ControlPage> && sizeof(ControlPage) == 12);
constexpr uint8_t kControlUnrestrictedReordering = 0x10;  // QUEUE ALGORITHM MODIFIER 1

}  // namespace viridian::storvsp
