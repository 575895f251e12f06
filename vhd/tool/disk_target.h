// Where a copy writes a disk to: a file that becomes an image, or a pipe.
//
// What is never written reads as zeroes: a target is new. Runs of data come in the order of their
// offsets to place(), which decides where they go; write() then moves them, several at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/result.h"

namespace viridian::vhd::tool {

struct Run {
  uint64_t offset = 0;  // of the disk
  // Up to 4095 zeroes may be read, and overwritten, behind the last run of a disk's data.
  std::span<const std::byte> data;
};

class DiskTarget {
 public:
  virtual ~DiskTarget() = default;
  virtual Result<void> place(const Run& run) = 0;        // one call at a time
  virtual Result<void> write(const Run& run) = 0;        // from several threads at a time
  virtual Result<void> finish(uint64_t size_bytes) = 0;  // everything was written: the rest
  virtual uint64_t file_size_bytes() const = 0;          // after finish()
};

}  // namespace viridian::vhd::tool
