// Random requests to a disk of one or more images in memory, with the log of what they did to the
// leaf's file and, for each moment, what a cut may leave of every sector. After a session all its
// cuts are looked at, and the next one begins with its clean end or with what one of its cuts left.
#pragma once

#include <functional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "tests/crash/contents.h"
#include "tests/crash/crash_states.h"
#include "tests/support/memory_chain.h"

namespace viridian::vhd {

struct WorkloadShape {
  const char* name;
  uint32_t block_size;  // 0: a fixed disk
  uint64_t sectors;
  unsigned depth;
  unsigned seeds;
  unsigned sessions;
};

// Bugs in the order of writes, made in the log and not in the code: one write is lost, or comes
// before what it has to wait for.
enum class Mutation : uint8_t {
  kBitmapBeforeData,    // before the sync that makes its blocks' data durable
  kTableBeforeZeroing,  // before the space that it names was zeroed
  kBitmapLost,
  kTableLost,
  kZeroingLost,     // of the space of blocks, or of the old footer
  kLastFooterLost,  // of the close
};

// What each sector may hold after a cut.
struct Allowed {
  std::vector<std::vector<Content>> any;     // after a cut now
  std::vector<std::vector<Content>> latest;  // if everything done were durable
};

class EngineWorkload {
 public:
  // What went wrong first, if anything did.
  struct Outcome {
    size_t states = 0;
    std::string problem;
  };

  EngineWorkload(io::Reactor& reactor, const WorkloadShape& shape, unsigned seed);

  // Every session with all its cuts.
  Outcome run();
  // One more session; its cuts are looked at by cut(), as often as wanted.
  void run_session();
  // The next session begins with what one of the cuts left that cut() has looked at.
  void go_on_after_a_cut() {
    if (!kept_.empty()) go_on_from(kept_, kept_contents_);
  }
  const io::ChangeLog& log() const { return log_; }
  // `forgotten`: see CrashStates.
  Outcome cut(unsigned extra, size_t forgotten = CrashStates::kNothing);
  // The cuts of what the session would have done to the file if its code had the bug.
  Outcome cut_mutated(unsigned extra, Mutation mutation, size_t operation);
  // The operations of the session that a mutation can be of.
  std::vector<size_t> victims(Mutation mutation) const;

 private:
  static constexpr size_t kMaxAtOnce = 4;
  struct Slot : io::IoRequest {
    std::vector<std::byte> bytes;
    std::vector<Content> contents;
    iovec part;
    bool ended = true;
  };
  struct Moment {
    size_t position;  // in the log: from here on
    Allowed allowed;
  };

  uint64_t pick(uint64_t below) { return random_() % below; }
  void make_layers();
  void run_batch(ChainDisk& disk);
  void prepare(Slot& slot, io::IoOp op, uint64_t sector, uint64_t sectors);
  void note(const Slot& slot, Allowed& after) const;
  Outcome cut_log(const io::ChangeLog& log, const std::vector<Moment>& moments, unsigned extra,
                  size_t forgotten, bool by_engine);
  std::string check_state(const CrashImage& file, const Allowed& allowed, bool by_engine);
  static std::string check_closed(const CrashImage& file);
  std::string check_repair(const CrashImage& file);
  std::string check_by_engine(const CrashImage& file, const std::vector<Content>& contents);
  void go_on_from(const std::vector<std::byte>& file, const std::vector<Content>& contents);

  io::Reactor& reactor_;
  const WorkloadShape& shape_;
  unsigned seed_;
  std::minstd_rand random_;
  MemoryChain chain_;
  std::vector<Content> parent_;  // what the disk below the leaf shows
  Allowed allowed_;
  Content last_content_ = 0;
  std::vector<std::byte> before_;
  io::ChangeLog log_;
  std::vector<Moment> moments_;
  std::string problem_;
  std::vector<std::byte> kept_;  // one state of the session
  std::vector<Content> kept_contents_;
  Slot slots_[kMaxAtOnce + 2];
};

}  // namespace viridian::vhd
