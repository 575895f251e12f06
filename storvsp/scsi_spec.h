// SCSI commands as they stand in a CDB: SPC-4 and SBC-3, the section named on each structure.
//
// All fields are big-endian. Reserved fields and the CONTROL byte are ignored on read. Parameter
// data that commands return stands in inquiry_spec.h, mode_spec.h and mmc_spec.h.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/endian.h"

namespace viridian::storvsp {

// SPC-4 table E.2. Integers and not an enum class: a guest may send any byte.
namespace opcode {
constexpr uint8_t kTestUnitReady = 0x00;
constexpr uint8_t kRequestSense = 0x03;
constexpr uint8_t kRead6 = 0x08;
constexpr uint8_t kWrite6 = 0x0a;
constexpr uint8_t kInquiry = 0x12;
constexpr uint8_t kModeSelect6 = 0x15;
constexpr uint8_t kModeSense6 = 0x1a;
constexpr uint8_t kStartStopUnit = 0x1b;
constexpr uint8_t kPreventAllowMediumRemoval = 0x1e;
constexpr uint8_t kReadCapacity10 = 0x25;
constexpr uint8_t kRead10 = 0x28;
constexpr uint8_t kWrite10 = 0x2a;
constexpr uint8_t kVerify10 = 0x2f;
constexpr uint8_t kSynchronizeCache10 = 0x35;
constexpr uint8_t kWriteSame10 = 0x41;
constexpr uint8_t kUnmap = 0x42;
constexpr uint8_t kReadToc = 0x43;
constexpr uint8_t kGetConfiguration = 0x46;
constexpr uint8_t kGetEventStatus = 0x4a;
constexpr uint8_t kReadDiscInformation = 0x51;
constexpr uint8_t kReadTrackInformation = 0x52;
constexpr uint8_t kModeSelect10 = 0x55;
constexpr uint8_t kModeSense10 = 0x5a;
constexpr uint8_t kRead16 = 0x88;
constexpr uint8_t kWrite16 = 0x8a;
constexpr uint8_t kVerify16 = 0x8f;
constexpr uint8_t kSynchronizeCache16 = 0x91;
constexpr uint8_t kWriteSame16 = 0x93;
constexpr uint8_t kServiceActionIn16 = 0x9e;
constexpr uint8_t kReportLuns = 0xa0;
constexpr uint8_t kRead12 = 0xa8;
constexpr uint8_t kWrite12 = 0xaa;
constexpr uint8_t kMechanismStatus = 0xbd;
}  // namespace opcode

constexpr uint8_t kServiceReadCapacity16 = 0x10;  // SBC-3 5.16, in byte 1 of 9Eh

// SAM-5 5.3.1.
namespace scsi_status {
constexpr uint8_t kGood = 0x00;
constexpr uint8_t kCheckCondition = 0x02;
}  // namespace scsi_status

constexpr size_t kMaxCdbLength = 16;
using Cdb = std::array<uint8_t, kMaxCdbLength>;

// The length that the first byte announces (SPC-4 4.3.2 to 4.3.4); 0 for variable and vendor ones.
constexpr uint8_t cdb_length(uint8_t operation) {
  constexpr std::array<uint8_t, 8> kLengths = {6, 10, 10, 0, 16, 12, 0, 0};
  return kLengths[operation >> 5];
}

template <WireStruct T>
T cdb_as(const Cdb& cdb) {
  static_assert(sizeof(T) <= kMaxCdbLength);
  T value;
  std::memcpy(&value, cdb.data(), sizeof(T));
  return value;
}

struct Cdb6 {  // SBC-3 5.11: READ (6), WRITE (6)
  uint8_t operation, lba_high;
  be16 lba_low;
  uint8_t length, control;

  uint32_t lba() const { return (lba_high & 0x1fu) << 16 | lba_low; }
};
static_assert(WireStruct<Cdb6> && sizeof(Cdb6) == 6);

struct Cdb10 {  // SBC-3 5.12: READ (10) and its relatives
  uint8_t operation, flags;
  be32 lba;
  uint8_t group;
  be16 length;
  uint8_t control;
};
static_assert(WireStruct<Cdb10> && sizeof(Cdb10) == 10 && offsetof(Cdb10, length) == 7);

struct Cdb12 {  // SBC-3 5.13
  uint8_t operation, flags;
  be32 lba, length;
  uint8_t group, control;
};
static_assert(WireStruct<Cdb12> && sizeof(Cdb12) == 12 && offsetof(Cdb12, length) == 6);

struct Cdb16 {  // SBC-3 5.14; with a service action in `flags` also 9Eh
  uint8_t operation, flags;
  be64 lba;
  be32 length;
  uint8_t group, control;
};
static_assert(WireStruct<Cdb16> && sizeof(Cdb16) == 16 && offsetof(Cdb16, length) == 10);

// Bits of byte 1 in the commands above.
constexpr uint8_t kCdbProtect = 0xe0;      // RDPROTECT, WRPROTECT, VRPROTECT: SBC-3 5.12
constexpr uint8_t kCdbFua = 0x08;          // SBC-3 5.12
constexpr uint8_t kCdbByteCheck = 0x06;    // VERIFY, SBC-3 5.32
constexpr uint8_t kCdbAnchor = 0x10;       // WRITE SAME, SBC-3 5.45
constexpr uint8_t kCdbNoDataOut = 0x01;    // WRITE SAME (16)
constexpr uint8_t kCdbUnmapAnchor = 0x01;  // UNMAP, SBC-3 5.28
constexpr uint8_t kCdbServiceAction = 0x1f;

struct InquiryCdb {  // SPC-4 6.6
  uint8_t operation, flags, page;
  be16 allocation;
  uint8_t control;
};
static_assert(WireStruct<InquiryCdb> && sizeof(InquiryCdb) == 6);
constexpr uint8_t kInquiryVitalProductData = 0x01;

struct RequestSenseCdb {  // SPC-4 6.39
  uint8_t operation, flags;
  std::array<uint8_t, 2> reserved;
  uint8_t allocation, control;
};
static_assert(WireStruct<RequestSenseCdb> && sizeof(RequestSenseCdb) == 6);
constexpr uint8_t kRequestSenseDescriptor = 0x01;

struct StartStopCdb {  // SBC-3 5.25
  uint8_t operation, immediate, reserved, modifier, flags, control;
};
static_assert(WireStruct<StartStopCdb> && sizeof(StartStopCdb) == 6);
constexpr uint8_t kStartStopStart = 0x01;
constexpr uint8_t kStartStopLoadEject = 0x02;
constexpr uint8_t kStartStopPowerCondition = 0xf0;

struct ReportLunsCdb {  // SPC-4 6.33
  uint8_t operation, reserved1, select_report;
  std::array<uint8_t, 3> reserved2;
  be32 allocation;
  uint8_t reserved3, control;
};
static_assert(WireStruct<ReportLunsCdb> && sizeof(ReportLunsCdb) == 12);

struct UnmapCdb {  // SBC-3 5.28
  uint8_t operation, flags;
  std::array<uint8_t, 4> reserved;
  uint8_t group;
  be16 length;
  uint8_t control;
};
static_assert(WireStruct<UnmapCdb> && sizeof(UnmapCdb) == 10);

struct UnmapHeader {  // SBC-3 5.28.2
  be16 data_length, descriptor_length;
  std::array<uint8_t, 4> reserved;
};
static_assert(WireStruct<UnmapHeader> && sizeof(UnmapHeader) == 8);

struct UnmapDescriptor {
  be64 lba;
  be32 count;
  std::array<uint8_t, 4> reserved;
};
static_assert(WireStruct<UnmapDescriptor> && sizeof(UnmapDescriptor) == 16);

struct Capacity10 {  // SBC-3 5.15
  be32 last_lba, block_size;
};
static_assert(WireStruct<Capacity10> && sizeof(Capacity10) == 8);

struct Capacity16 {  // SBC-3 5.16
  be64 last_lba;
  be32 block_size;
  uint8_t protection, exponents;
  be16 provisioning_alignment;
  std::array<uint8_t, 16> reserved;
};
static_assert(WireStruct<Capacity16> && sizeof(Capacity16) == 32);
constexpr uint16_t kCapacityProvisioned = 0x8000;  // LBPME

}  // namespace viridian::storvsp
