// What a CD or DVD drive is asked and answers: MMC-6, the section named on each structure. All
// fields are big-endian; reserved ones are written as zeroes and ignored on read.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/endian.h"

namespace viridian::storvsp {

struct ReadTocCdb {  // 6.25
  uint8_t operation, flags, format;
  std::array<uint8_t, 3> reserved;
  uint8_t track;
  be16 allocation;
  uint8_t control;
};
static_assert(WireStruct<ReadTocCdb> && sizeof(ReadTocCdb) == 10);
constexpr uint8_t kTocMinuteSecondFrame = 0x02;
constexpr uint8_t kTocFormatTracks = 0;
constexpr uint8_t kTocFormatSessions = 1;
constexpr uint8_t kTocLeadOut = 0xaa;
constexpr uint8_t kTocDataTrack = 0x14;

struct TocHeader {
  be16 length;
  uint8_t first, last;
};
static_assert(WireStruct<TocHeader> && sizeof(TocHeader) == 4);

struct TocTrack {
  uint8_t reserved1, control, track, reserved2;
  be32 address;
};
static_assert(WireStruct<TocTrack> && sizeof(TocTrack) == 8);

struct GetConfigurationCdb {  // 6.6
  uint8_t operation, request_type;
  be16 first_feature;
  std::array<uint8_t, 3> reserved;
  be16 allocation;
  uint8_t control;
};
static_assert(WireStruct<GetConfigurationCdb> && sizeof(GetConfigurationCdb) == 10);
enum class FeatureRequest : uint8_t { kAll, kCurrent, kOne, kReserved };

struct FeatureListHeader {
  be32 length;
  be16 reserved, current_profile;
};
static_assert(WireStruct<FeatureListHeader> && sizeof(FeatureListHeader) == 8);
constexpr uint16_t kProfileDvdRom = 0x0010;

struct FeatureHeader {  // 5.2.2
  be16 code;
  uint8_t flags, length;
};
static_assert(WireStruct<FeatureHeader> && sizeof(FeatureHeader) == 4);
constexpr uint8_t kFeatureCurrent = 0x01;

struct EventStatusCdb {  // 6.7
  uint8_t operation, polled;
  std::array<uint8_t, 2> reserved1;
  uint8_t classes;
  std::array<uint8_t, 2> reserved2;
  be16 allocation;
  uint8_t control;
};
static_assert(WireStruct<EventStatusCdb> && sizeof(EventStatusCdb) == 10);

struct EventStatus {  // the header, and behind it the media event
  be16 length;
  uint8_t event_class, supported_classes;
  uint8_t event, medium, start_slot, end_slot;
};
static_assert(WireStruct<EventStatus> && sizeof(EventStatus) == 8);
constexpr uint8_t kNoEventAvailable = 0x80;
constexpr uint8_t kEventClassMedia = 4;
constexpr uint8_t kMediaClassBit = 1 << kEventClassMedia;
constexpr uint8_t kMediaNoChange = 0, kMediaNew = 2, kMediaRemoved = 3;
constexpr uint8_t kMediumPresent = 0x02, kMediumTrayOpen = 0x01;

struct DiscInformation {  // 6.21
  be16 length;
  uint8_t status, first_track, session_count, first_in_last, last_in_last, flags, disc_type;
  std::array<uint8_t, 3> high_bytes;
  be32 identification, lead_in, lead_out;
  std::array<uint8_t, 8> bar_code;
  uint8_t reserved, opc_count;
};
static_assert(WireStruct<DiscInformation> && sizeof(DiscInformation) == 34);
constexpr uint8_t kDiscComplete = 0x0e;  // last session and disc are complete
constexpr uint8_t kDiscUnrestrictedUse = 0x20;

struct TrackInformation {  // 6.27
  be16 length;
  uint8_t track, session, reserved1, track_mode, data_mode, flags;
  be32 start, next_writable, free_blocks, packet_size, size, last_recorded;
  std::array<uint8_t, 4> high_bytes;
};
static_assert(WireStruct<TrackInformation> && sizeof(TrackInformation) == 36);

struct MechanismStatusCdb {  // 6.10
  uint8_t operation;
  std::array<uint8_t, 7> reserved1;
  be16 allocation;
  uint8_t reserved2, control;
};
static_assert(WireStruct<MechanismStatusCdb> && sizeof(MechanismStatusCdb) == 12);

struct PreventAllowCdb {  // SPC-4 6.22
  uint8_t operation;
  std::array<uint8_t, 3> reserved;
  uint8_t prevent, control;
};
static_assert(WireStruct<PreventAllowCdb> && sizeof(PreventAllowCdb) == 6);

struct CapabilitiesPage {  // MMC-3 appendix D.1.4.1: mode page 2Ah, which Linux still reads
  uint8_t page, length, reads, writes, plays, audio, mechanism, volume;
  be16 max_speed, volume_levels, buffer_kib, current_speed;
  std::array<uint8_t, 6> rest;
};
static_assert(WireStruct<CapabilitiesPage> && sizeof(CapabilitiesPage) == 22);
constexpr uint8_t kReadsDvdAndCd = 0x0f;
constexpr uint8_t kTrayWithEjectAndLock = 0x29;

struct ErrorRecoveryPage {  // 7.2.4
  uint8_t page, length;
  std::array<uint8_t, 10> rest;
};
static_assert(WireStruct<ErrorRecoveryPage> && sizeof(ErrorRecoveryPage) == 12);

}  // namespace viridian::storvsp
