// A file under a disk: asynchronous reads, writes, syncs and holes for the data path, and plain
// synchronous calls for the control path (opening, checking, closing).
//
// Bound to one reactor. What lies beyond the end of a file reads as zeroes. Truncation is left to
// the control path: the ring has no such operation on the kernels that are served.
#pragma once

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/result.h"
#include "io/completion.h"

namespace viridian::io {

enum class FileOp : uint8_t {
  kRead,
  kWrite,     // past the end: the file grows
  kDataSync,  // every write whose done() has run is durable, with the file size that it needs
  kZero,      // the range reads as zeroes and frees its space where the file system can
};

// The caller owns the request and its data until done() runs, and may submit it again from there.
struct FileRequest : Completion {
  using Done = void (*)(FileRequest&) noexcept;

  FileOp op = FileOp::kRead;
  bool durable = false;  // with kWrite: as if a sync of this range followed
  int error = 0;         // when done() runs: 0 or a positive errno
  uint64_t offset = 0;   // bytes, as is length
  uint64_t length = 0;
  std::span<const iovec> data;  // for kRead and kWrite: at least skip + length bytes,
  size_t skip = 0;              // of which the first `skip` are not part of the transfer
  Done done = nullptr;          // once, on the reactor, never inside submit()

  // The file's own notes while the request is with it.
  class File* file = nullptr;
  uint64_t moved = 0;                // bytes of `length` that are done
  std::byte* bounce = nullptr;       // the aligned copy of misaligned data
  std::array<iovec, 8> window = {};  // the part of `data` that the kernel sees now
};

class PlainLane;
class Reactor;

class File {
 public:
  virtual ~File() = default;

  // Offsets and lengths of the data path must be multiples of this; memory may be anywhere.
  static constexpr uint32_t kUnit = 512;

  virtual void submit(FileRequest& request) noexcept = 0;

  // Reads or writes all of `data`, which has to be `length` bytes, in one operation of the kernel,
  // without a FileRequest: its result, which may be a short count or -errno, is `completion`'s, and
  // up to its owner. False: not this data, or not this file; then nothing has been started.
  virtual bool start_plain(Completion& /*completion*/, FileOp /*op*/, uint64_t /*offset*/,
                           std::span<const iovec> /*data*/, uint64_t /*length*/) noexcept {
    return false;
  }
  // What does the same without a call through this table, while the file lives; null: nothing does.
  virtual const PlainLane* plain_lane() const noexcept { return nullptr; }

  // The control path: blocks, takes any offset, and must not meet requests on the same bytes.
  virtual Result<uint64_t> size() const = 0;
  // Returns how many bytes there were: less than asked only at the end of the file.
  virtual Result<size_t> read_at(uint64_t offset, std::span<std::byte> into) const = 0;
  virtual Result<void> write_at(uint64_t offset, std::span<const std::byte> from) = 0;
  virtual Result<void> sync() = 0;
  virtual Result<void> resize(uint64_t size_bytes) = 0;

  // The same file for another reactor. kUnsupported if it cannot be shared.
  virtual Result<std::unique_ptr<File>> again(Reactor& reactor) const;

  virtual const std::string& name() const noexcept = 0;  // for messages
  virtual bool read_only() const noexcept = 0;
};

// Moves `length` bytes between `flat` and the memory that `data` describes, from byte `skip` of it.
void copy_from_iovecs(std::byte* flat, std::span<const iovec> data, uint64_t skip, uint64_t length);
void copy_to_iovecs(const std::byte* flat, std::span<const iovec> data, uint64_t skip,
                    uint64_t length);
void zero_iovecs(std::span<const iovec> data, uint64_t skip, uint64_t length);

}  // namespace viridian::io
