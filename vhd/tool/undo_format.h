// The bytes of an undo file: what `vhdtool repair --backup` saves before it writes. A header, and
// for each place that is written a record with the bytes that were there.
#pragma once

#include "base/endian.h"
#include "vhd/vhd_format.h"

namespace viridian::vhd::tool {

constexpr Cookie kUndoCookie = {'v', 'h', 'd', 'u', 'n', 'd', 'o', '1'};

struct UndoHeader {
  Cookie cookie{};
  be64 size_before;  // of the image, in bytes
  be64 size_after;
  be64 record_count;
};
static_assert(WireStruct<UndoHeader> && sizeof(UndoHeader) == 32);

struct UndoRecord {
  be64 offset;
  be64 length;  // bytes of the image, which follow
};
static_assert(WireStruct<UndoRecord> && sizeof(UndoRecord) == 16);

}  // namespace viridian::vhd::tool
