// A disk of any kind that this library reads: a raw file or device, a fixed, a dynamic or a
// differencing VHD with its parents. The first layer is the one that is written.
//
// A request that lies in one place of one file goes there as it is (plain_path.cc). Any other
// becomes an Operation, which walks over its sectors and starts a Fragment for each piece
// that lies in one place of one file. What is missing makes it wait on a list, in order: an
// operation or a fragment from the fixed pools, a sector of bitmap, space for a new block. The
// read path neither allocates nor locks. Bound to one reactor, with all its files; destroyed when
// no request is out, and not from a callback: it waits until all that was written is durable.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "vhd/allocator.h"
#include "vhd/bitmap_cache.h"
#include "vhd/committer.h"
#include "vhd/grace.h"
#include "vhd/layer.h"
#include "vhd/limits.h"
#include "vhd/lock.h"
#include "vhd/operation.h"
#include "vhd/plain_requests.h"

namespace viridian::vhd {

struct DiskLimits {
  uint32_t operations = kOperations;
  uint32_t fragments = kFragments;
  uint32_t bitmap_slots = kBitmapSlots;
  uint32_t commit_threshold = kCommitThreshold;
  uint64_t growth_bytes = kGrowthBytes;
  uint32_t commit_after_ms = kCommitAfterMs;  // a change waits no longer for a flush
};

class ChainDisk final : public io::BlockDevice, Allocator::Owner, Committer::Owner {
 public:
  struct Part {
    std::unique_ptr<io::File> file;
    Image image;
    ImageLock lock = {};
  };

  // The leaf first. With `read_only`, or if the leaf's image or file is, nothing is ever written;
  // else the leaf's metadata is made ready for writing first: this is the one thing that can fail.
  static Result<std::unique_ptr<ChainDisk>> create(io::Reactor& reactor, std::vector<Part> parts,
                                                   bool read_only, const DiskLimits& limits = {});
  ~ChainDisk() override;

  io::DiskInfo info() const noexcept override { return info_; }
  void submit(io::IoRequest& request) noexcept override;

  // The same disk for another reactor's thread, see disk_view.h. Called before that thread uses it.
  Result<std::unique_ptr<io::BlockDevice>> open_view(io::Reactor& reactor);

  // For views, from their threads: where all of the sectors are, as far as the published state
  // tells. kUnknown: not in one place, or a bitmap decides; the disk itself has to be asked.
  struct PublishedRun {
    enum class Kind : uint8_t { kZero, kFile, kUnknown };
    Kind kind = Kind::kUnknown;
    uint32_t layer = 0;
    uint64_t sectors = 0;
    uint64_t offset = 0;  // in the layer's file
  };
  PublishedRun published_run(uint64_t sector, uint64_t sectors, bool for_write) const noexcept;
  void note_view_write() noexcept { view_wrote_.store(true, std::memory_order_relaxed); }
  Grace& grace() noexcept { return grace_; }
  io::Reactor& reactor() noexcept { return reactor_; }

 private:
  struct OwnCompletion : io::Completion {
    ChainDisk* disk = nullptr;
    bool is_armed = false;
  };
  struct Timer : OwnCompletion {
    __kernel_timespec time{};
  };
  struct Extent {
    enum class Kind : uint8_t { kZero, kFile, kBitmapNeeded };
    Kind kind;
    uint32_t layer;
    uint64_t sectors;
    uint64_t offset;  // kFile: in the layer's file
    uint64_t unit;    // kBitmapNeeded
  };
  // What one step of an operation did: went on, or the operation now waits on a list.
  enum class Step : uint8_t { kNext, kParked };

  ChainDisk(io::Reactor& reactor, std::span<Part> parts, bool read_only, const DiskLimits& limits);
  Result<void> prepare_for_writing(const Image& image);
  void index_first_layers(std::span<const Part> parts);

  // plain_path.cc
  struct PlainPlace {
    const Layer* layer;  // null: not in one place of one file, as far as is known without a look
    uint64_t offset;     // in the layer's file
  };
  PlainPlace plain_place(const io::IoRequest& request) const noexcept;
  void take_plain(io::IoRequest& request) noexcept;
  void note_plain(io::IoRequest& request) noexcept;
  void submit_to_file(io::IoRequest& request, PlainPlace place) noexcept;
  void submit_other(io::IoRequest& request) noexcept;
  void end_plain(io::IoRequest& request) noexcept;
  void end_other(io::IoRequest& request, bool period_is_over) noexcept;

  // closing.cc
  void arm_timer() noexcept;
  void cancel_timer() noexcept;
  void on_timer() noexcept;

  // chain_disk.cc: operations and what they wait for.
  void start_or_wait(io::IoRequest& request) noexcept;
  void start(io::IoRequest& request, Operation& operation) noexcept;
  void advance(Operation& operation) noexcept;
  void maybe_finish(Operation& operation) noexcept;
  void finish_operation(Operation& operation, io::IoStatus status) noexcept;
  void fail(Operation& operation, io::IoStatus status) noexcept;
  void pump_requests() noexcept;
  void resume_all(WaitList& list) noexcept;
  void resume_fragment_waiters() noexcept;
  void resume_slot_waiters() noexcept;
  Fragment* take_fragment(Operation& operation) noexcept;
  void move_on(Operation& operation, uint64_t sectors) noexcept;
  void start_transfer(Operation& operation, Fragment& fragment, io::FileOp op, Layer& layer,
                      uint64_t offset, uint64_t sectors) noexcept;
  void on_fragment(Fragment& fragment) noexcept;
  void on_loaded(Fragment& fragment) noexcept;
  Step load_bitmap(Operation& operation, uint32_t layer, uint64_t unit) noexcept;
  Step park_for_slot(Operation& operation) noexcept;
  void on_space(int error) noexcept override;
  void on_sync_failed() noexcept override { committer_->note_failed_sync(); }
  uint64_t oldest_operation() const noexcept override;
  void begin_grace() noexcept override {
    plain_.begin_period();
    grace_.begin_period();
  }
  bool grace_is_over() noexcept override { return plain_.is_over() && grace_.is_over(); }
  void on_committed(Operation& operation, io::IoStatus status) noexcept override;
  void on_commit_end(io::IoStatus status) noexcept override;
  uint64_t next_sequence() const noexcept override { return next_sequence_; }

  // read_path.cc
  Step read_step(Operation& operation) noexcept;
  Extent resolve(uint64_t sector, uint64_t sectors, uint32_t first_layer = 0) noexcept;
  bool resolve_in(uint32_t layer, uint64_t sector, Extent& extent) noexcept;
  PublishedRun published_piece(uint64_t sector, uint64_t sectors, bool for_write) const noexcept;

  // write_path.cc
  Step write_step(Operation& operation) noexcept;
  Step zero_step(Operation& operation) noexcept;
  Step change_piece(Operation& operation, io::FileOp op, uint64_t sectors) noexcept;
  Step zero_whole_block(Operation& operation, uint64_t block, uint64_t sectors,
                        bool& handled) noexcept;
  Step ensure_allocated(Operation& operation, uint64_t block) noexcept;
  bool parents_may_hold(uint64_t sector, uint64_t sectors) const noexcept;
  void release_block(uint64_t block) noexcept;
  void note_written(Fragment& fragment) noexcept;

  // What a plain request needs comes first.
  io::Reactor& reactor_;
  io::DiskInfo info_;
  std::vector<Layer> layers_;
  std::unique_ptr<Allocator> allocator_;
  PlainRequests plain_;
  uint32_t merged_count_ = 0;  // 0: there is no index
  // By block of the first layer: the first layer that may hold any of it, so that a deep chain of
  // layers with blocks of one size costs no search. Layers from merged_count_ on are not indexed.
  PublishedArray<uint8_t> first_layer_;
  bool written_ = false;
  std::atomic<bool> view_wrote_{false};

  DiskLimits limits_;
  std::vector<ImageLock> locks_;  // taken away before the files are closed
  BitmapCache cache_;
  std::unique_ptr<Committer> committer_;

  std::vector<Operation> operations_;
  std::vector<Fragment> fragments_;
  WaitList free_operations_;
  WaitList free_fragments_;
  InFlightList in_flight_;
  uint64_t next_sequence_ = 0;
  WaitList request_waiters_;  // IoRequests
  WaitList fragment_waiters_;
  WaitList slot_waiters_;
  WaitList space_waiters_;
  OwnCompletion pump_;
  OwnCompletion grace_ended_;
  Grace grace_;
  Timer timer_;
  OwnCompletion timer_cancel_;
};

}  // namespace viridian::vhd
