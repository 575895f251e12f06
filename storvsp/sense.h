// Why a command failed, in SCSI's words: SPC-4 4.5. Only the fixed format (4.5.3) is sent.
#pragma once

#include <array>
#include <cstdint>

#include "base/endian.h"
#include "io/io_request.h"

namespace viridian::storvsp {

struct Sense {
  uint8_t key = 0;
  uint8_t code = 0;       // ASC
  uint8_t qualifier = 0;  // ASCQ

  friend bool operator==(const Sense&, const Sense&) = default;
};

// SPC-4 table 28 and annex D.2.
namespace sense {
constexpr Sense kNone = {0x0, 0x00, 0x00};
constexpr Sense kNoMedium = {0x2, 0x3a, 0x00};
constexpr Sense kReadError = {0x3, 0x11, 0x00};
constexpr Sense kWriteError = {0x3, 0x0c, 0x00};
constexpr Sense kParameterListLength = {0x5, 0x1a, 0x00};
constexpr Sense kInvalidOperation = {0x5, 0x20, 0x00};
constexpr Sense kOutOfRange = {0x5, 0x21, 0x00};
constexpr Sense kInvalidFieldInCdb = {0x5, 0x24, 0x00};
constexpr Sense kInvalidFieldInParameters = {0x5, 0x26, 0x00};
constexpr Sense kSavingNotSupported = {0x5, 0x39, 0x00};
constexpr Sense kRemovalPrevented = {0x5, 0x53, 0x02};
constexpr Sense kMediumChanged = {0x6, 0x28, 0x00};
constexpr Sense kCapacityChanged = {0x6, 0x2a, 0x09};
constexpr Sense kWriteProtected = {0x7, 0x27, 0x00};
constexpr Sense kSpaceAllocationFailed = {0x7, 0x27, 0x07};
constexpr Sense kAborted = {0xb, 0x00, 0x00};
}  // namespace sense

struct FixedSense {  // SPC-4 4.5.3
  uint8_t response_code = 0x70, obsolete = 0, key = 0;
  be32 information;
  uint8_t additional_length = 10;
  be32 command_information;
  uint8_t code = 0, qualifier = 0, unit = 0;
  std::array<uint8_t, 3> key_specific{};
};
static_assert(WireStruct<FixedSense> && sizeof(FixedSense) == 18);

constexpr FixedSense fixed_sense(Sense from) {
  FixedSense bytes;
  bytes.key = from.key;
  bytes.code = from.code;
  bytes.qualifier = from.qualifier;
  return bytes;
}

// The one place where a disk's status becomes a SCSI one. kOk has no sense.
constexpr Sense sense_of(io::IoStatus status, io::IoOp op) {
  switch (status) {
    case io::IoStatus::kOk:
      return sense::kNone;
    case io::IoStatus::kOutOfRange:
      return sense::kOutOfRange;
    case io::IoStatus::kReadOnly:
      return sense::kWriteProtected;
    case io::IoStatus::kInvalid:
      return sense::kInvalidFieldInCdb;
    case io::IoStatus::kMediumError:
      return op == io::IoOp::kRead ? sense::kReadError : sense::kWriteError;
    case io::IoStatus::kNoSpace:
      return sense::kSpaceAllocationFailed;
    case io::IoStatus::kUnsupported:
      return sense::kInvalidOperation;
    case io::IoStatus::kAborted:
      return sense::kAborted;
  }
  return sense::kAborted;
}

}  // namespace viridian::storvsp
