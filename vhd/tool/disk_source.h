// Where a copy reads a disk from: an image with its parents, a pipe, a server.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/result.h"
#include "io/unique_fd.h"

namespace viridian::vhd::tool {

constexpr size_t kPieceBytes = 1u << 20;  // the most that is read at a time
// Through the page cache: large enough for large pages of it, small enough to stay in a processor's
// own cache, and for memory that was in use just now. Fresh memory is slow where a host has to give
// it first, and the largest free pieces of memory are the ones that a host takes back.
constexpr size_t kCachedPieceBytes = 256u << 10;
constexpr uint64_t kPieceAlignment = 4096;

// A part of the disk on its way from a source to a target. Never crosses a multiple of kPieceBytes.
struct Piece {
  uint64_t offset = 0;          // of the disk; a multiple of kPieceAlignment
  size_t length = 0;            // a multiple of 512
  std::span<std::byte> buffer;  // kPieceBytes, aligned to kPieceAlignment
};

class DiskSource {
 public:
  virtual ~DiskSource() = default;

  // Nothing if only the end of the data will tell.
  virtual std::optional<uint64_t> size_bytes() const = 0;
  // The next part that may hold anything but zeroes; false behind the last. One call at a time. A
  // source that can be read only once reads here.
  virtual Result<bool> next(Piece& piece) = 0;
  // Fills the piece's buffer. From several threads at a time.
  virtual Result<void> read(Piece& piece) = 0;
  // With how many threads it is best copied: as many requests as keep a device or a server busy.
  virtual unsigned threads() const { return 3; }
};

}  // namespace viridian::vhd::tool
