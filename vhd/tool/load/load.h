// The same reads or writes two ways: by the VHD engine on a reactor, and by a bare loop around
// io_uring on the same bytes of the same file. The loop is the reference R of vhdtool bench and of
// bench/vhd_speed.
//
// Both use one thread, O_DIRECT where the file system has it, the same ring flags, the same memory
// and the same order of places, and start the next request when one ends. A loop's calls come from
// one thread, the one that first runs it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "io/block_device.h"
#include "io/reactor.h"
#include "io/unique_fd.h"
#include "vhd/image.h"

namespace viridian::vhd::tool {

struct Work {
  bool is_write = false;
  bool is_random = false;
  uint32_t bytes = 4096;  // of one request
  uint32_t depth = 1;     // requests in progress
  uint64_t region = 0;    // bytes from the disk's begin that are touched
  uint64_t max_count = ~0ull;
  double seconds = 1e9;  // the run ends at this time or count, whichever comes first
  bool flush_at_end = false;
  uint64_t turn = 0;                     // where the sequence of places begins
  uint64_t (*user_time_ns)() = nullptr;  // of the thread, if somebody can tell it
};

struct Cost {
  uint64_t count = 0;
  double seconds = 0;
  double user_seconds = 0;  // of the thread, by Work::user_time_ns
  double cpu_seconds = 0;   // of the whole process, the kernel's helpers included
  double rate() const { return static_cast<double>(count) / seconds; }
  double user_ns() const { return user_seconds * 1e9 / static_cast<double>(count); }
  double cpu_ns() const { return cpu_seconds * 1e9 / static_cast<double>(count); }
};

// Memory for `depth` requests, page-aligned and touched.
class Buffers {
 public:
  static constexpr size_t kBytes = 64u << 20;
  Buffers();
  std::byte* at(uint32_t slot, uint32_t bytes) const {
    return memory_.get() + size_t{slot} * bytes;
  }

 private:
  std::unique_ptr<std::byte[], void (*)(std::byte*)> memory_;
};

// Where the requests go: the same sequence in each run of the same work and turn.
class Places {
 public:
  explicit Places(const Work& work)
      : work_(work), count_(work.region / work.bytes), at_(work.turn * kStride) {
    state_ ^= work.turn * kStride << 32;
  }
  uint64_t next() {
    if (!work_.is_random) return at_++ % count_ * work_.bytes;
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return state_ % count_ * work_.bytes;
  }

 private:
  static constexpr uint64_t kStride = 7919;  // a prime, far from one turn's places to the next's

  const Work& work_;
  uint64_t count_;
  uint64_t at_;
  uint64_t state_ = 88172645463325252ull;
};

class EngineLoop {
 public:
  // `lock`: false if somebody else may have the file open, such as the reference for writing.
  static Result<EngineLoop> open(const std::string& path, bool read_only, bool lock = false,
                                 const OpenPolicy& policy = {});
  // A second queue of `first`'s disk, for another thread.
  static Result<EngineLoop> second(EngineLoop& first);

  // Serves the other queue for a moment.
  void help() noexcept { reactor_->turn(false); }
  Result<Cost> run(const Work& work, const Buffers& buffers);
  Result<void> flush();
  uint64_t size_bytes() const { return disk_->info().sector_count * io::kSectorSize; }

 private:
  std::unique_ptr<io::Reactor> reactor_;
  std::unique_ptr<io::BlockDevice> disk_;
};

// Byte b of the disk is byte block_offsets[b >> block_shift] + b % (1 << block_shift) of the file.
// With no offsets it is byte b.
struct BlockLayout {
  std::vector<uint64_t> block_offsets;
  unsigned block_shift = 0;
};

class BareLoop {
 public:
  static Result<BareLoop> open(const std::string& path, bool read_only, BlockLayout layout = {});
  // The reference for `path`, an image of any kind without parents that matter. Of blocks that the
  // image does not have it reads those that it has.
  static Result<BareLoop> on_image(const std::string& path, bool read_only,
                                   const OpenPolicy& policy = {});
  BareLoop(BareLoop&& other) noexcept;
  ~BareLoop();
  Result<Cost> run(const Work& work, const Buffers& buffers);

 private:
  struct Ring;
  BareLoop(UniqueFd fd, std::unique_ptr<Ring> ring, BlockLayout layout);
  uint64_t file_offset(uint64_t at) const {
    if (layout_.block_offsets.empty()) return at;
    const uint64_t in_block = at & ((uint64_t{1} << layout_.block_shift) - 1);
    return layout_.block_offsets[at >> layout_.block_shift] + in_block;
  }
  std::unique_ptr<Ring> ring_;
  UniqueFd fd_;
  BlockLayout layout_;
};

}  // namespace viridian::vhd::tool
