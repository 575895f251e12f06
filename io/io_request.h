// A request to a disk: what every storage frontend submits and every disk completes.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <span>

#include "io/completion.h"

namespace viridian::io {

constexpr uint32_t kSectorSize = 512;

enum class IoOp : uint8_t {
  kRead,
  kWrite,
  kFlush,        // everything whose done() has run before this was submitted becomes durable
  kDiscard,      // the sectors' content is no longer needed; reads give zeroes or the old bytes
  kWriteZeroes,  // the sectors read as zeroes; the disk may free their space
};

enum class IoStatus : uint8_t {
  kOk,
  kOutOfRange,   // the sectors are not on the disk
  kReadOnly,     // a write to a disk that takes none
  kInvalid,      // the data's length is no multiple of a sector
  kMediumError,  // the host could not read or write
  kNoSpace,      // the host's file system or device is full
  kUnsupported,  // the disk does not know this operation
  kAborted,      // the disk is closing
};

// The frontend owns the request, and its data, until done() runs. A frontend derives its own
// request type to carry its context; `run` and `result` belong to the disk from submit() to done().
struct IoRequest : Completion {
  using Done = void (*)(IoRequest&) noexcept;

  IoOp op = IoOp::kRead;
  bool fua = false;  // with kWrite: the data is durable when done() runs
  IoStatus status = IoStatus::kOk;
  uint64_t sector = 0;
  uint64_t sector_count = 0;    // for every op but kFlush; for data it must match `data`
  std::span<const iovec> data;  // for kRead and kWrite
  Done done = nullptr;          // once, on the disk's reactor, never inside submit()

  // The disk's own notes while the request is with it.
  class BlockDevice* disk = nullptr;
  uint32_t period = 0;
};

}  // namespace viridian::io
