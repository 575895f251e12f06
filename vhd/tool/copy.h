// Copies a disk to another one: several requests at a time, and zeroes are not written.
//
// The target reads as zeroes where it has not been written: it is new. On the thread that runs the
// reactor; returns when all is copied and durable, or at the first error or interrupt.
#pragma once

#include <span>

#include "io/block_device.h"
#include "vhd/tool/data_map.h"
#include "vhd/tool/progress.h"

namespace viridian::vhd::tool {

struct CopyResult {
  uint64_t read_bytes = 0;
  uint64_t written_bytes = 0;
};

Result<CopyResult> copy_disk(io::Reactor& reactor, io::BlockDevice& source, io::BlockDevice& target,
                             std::span<const Range> ranges, Progress& progress);

}  // namespace viridian::vhd::tool
