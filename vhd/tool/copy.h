// Copies a disk from a source to a target: a few threads, each with one piece at a time that it
// reads, searches for zeroes and writes. Zeroes are not written.
//
// Where the runs of data go is decided in the order of the disk, so the result of a copy is the
// same each time; only the reading and writing overlaps. Returns at the first error or interrupt.
#pragma once

#include "vhd/tool/disk_source.h"
#include "vhd/tool/disk_target.h"
#include "vhd/tool/progress.h"

namespace viridian::vhd::tool {

struct CopyResult {
  uint64_t read_bytes = 0;
  uint64_t written_bytes = 0;
  uint64_t end_bytes = 0;  // where the source's last piece ended
};

// Everything but the target's finish(). `threads`: 0: as many as the source says.
Result<CopyResult> copy_disk(DiskSource& source, DiskTarget& target, Progress& progress,
                             unsigned threads = 0);

}  // namespace viridian::vhd::tool
