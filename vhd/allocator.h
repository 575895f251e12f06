// Where the blocks of a sparse file go, and the order of writes that makes a cut harmless.
//
// What a cut may find is decided by these rules. They hold because a sector is written whole or not
// at all, and because nothing else in the engine writes metadata.
//
//  1. Space is handed out only when it is durably zero, bitmap and data. So a table entry may reach
//     the disk at any time after the hand-out, in any order with the block's bitmap and data: a
//     block whose bits are clear reads as zeroes, or as the parent, which is what was there before.
//  2. A bit is written only after a sync that began when the bit's data was already written. So a
//     set bit never shows old bytes of the file.
//  3. A commit (a guest's flush, a forced write, or many changes) is: sync; write the changed
//     sectors of bitmaps, as they were before that sync, and of the table, as they are; sync. With
//     no metadata changed it is the first sync alone. (committer.h)
//  4. The space of a freed block is used again only after a commit that began after the free has
//     made the unused entry durable, after every request that was in progress at that commit has
//     ended, after the space was zeroed, and after a sync behind that: then rule 1 holds again.
//     A place between blocks that no entry names when the file is opened, left there by an earlier
//     session, is used after the same: a sync, since the table may have been read from a cache,
//     zeroing, a sync.
//  5. The file grows in large steps, ahead of need: the footer is written at the new end; sync;
//  what
//     lay between the last block and the old end, old footer included, is zeroed; sync. At each
//     moment there is a valid footer at the end, or the old one was cut down to zeroes in a file
//     whose copy at offset 0, which is never written here, is valid. Where the alignment of blocks
//     leaves room for a footer between two of them, the new end is chosen there: then the next
//     growth has nothing to zero, since the old footer is in no block's way and stays as a few
//     bytes without a meaning. On a clean close the footer is written behind the last block,
//     synced, and the file cut there.
//
// So after a cut the file opens without repair, flushed data is whole, an unflushed sector is old
// or new, and space is lost at most until the next open. Data path, the disk's reactor only; grows
// and zeroes through its own requests.
#pragma once

#include <vector>

#include "io/reactor.h"
#include "vhd/layer.h"
#include "vhd/limits.h"

namespace viridian::vhd {

class Allocator {
 public:
  // Told when a wait for space ended: with 0, or the errno of what failed.
  struct Owner {
    virtual void on_space(int error) noexcept = 0;
    virtual void on_sync_failed() noexcept = 0;
    // The sequence number of the oldest operation in progress; the next one's if there is none.
    virtual uint64_t oldest_operation() const noexcept = 0;
    // The same for other threads: a period begins now, and is over when what they had in progress
    // has ended. operations_ended() is called when that may be.
    virtual void begin_grace() noexcept = 0;
    virtual bool grace_is_over() noexcept = 0;

   protected:
    ~Owner() = default;
  };
  enum class Outcome : uint8_t { kDone, kWait, kNoSpace };

  Allocator(Layer& layer, const Image& image, Owner& owner, uint64_t growth_bytes);

  // Gives `block`, which has none, its space: its place in the layer is set and its entry is dirty.
  // kWait: on_space() will be called; then try again.
  Outcome allocate(uint64_t block) noexcept;
  // Takes the space of `block`; false if too many are on their way already.
  bool release(uint64_t block) noexcept;

  // For the committer. The dirty entries are named by their sector of the table.
  bool table_dirty() const noexcept { return !dirty_.empty(); }
  template <class Visit>
  void take_dirty(Visit&& visit) noexcept;
  void mark_dirty(uint64_t block) noexcept;
  void fill_table_sector(uint32_t sector, std::span<std::byte, kSectorBytes> out) const noexcept;
  void commit_started(uint64_t next_sequence) noexcept;
  void commit_ended(bool ok) noexcept;
  void sync_started() noexcept;
  void sync_ended(bool ok) noexcept;
  // To be called when operations have ended: freed space may have become idle.
  void operations_ended() noexcept {
    if (freed_state_ == FreedState::kCommitted) zero_next_freed();
  }

  // True while a request of the allocator's own is in progress.
  bool busy() const noexcept { return growth_.step != Step::kIdle || zeroing_; }
  // Control path, when not busy: puts the footer behind the last block and cuts the file there.
  Result<void> close();

 private:
  enum class Step : uint8_t { kIdle, kFooter, kFirstSync, kZero, kGap, kSecondSync };
  // kCollecting: freed, the commit that makes it durable has not begun. kCommitting: it has.
  // kCommitted: it ended; waiting for old operations, then zeroing. kZeroed: a sync has to begin.
  // kSyncing: it has begun.
  enum class FreedState : uint8_t { kCollecting, kCommitting, kCommitted, kZeroed, kSyncing };
  struct Growth : io::FileRequest {
    Allocator* allocator = nullptr;
    Step step = Step::kIdle;
    uint64_t footer_offset = 0;  // the new one
    bool smallest = false;       // a larger step has failed already
    bool is_for_gaps = false;    // gap_places_ get zeroed, the file keeps its size
    bool is_in_gap = false;      // the new footer is where no block will be
    bool is_ahead = false;       // nobody waits yet
    bool failed = false;         // the last one: none is started ahead of need
  };
  struct Zeroing : io::FileRequest {
    Allocator* allocator = nullptr;
  };

  uint64_t bitmap_offset_after(uint64_t end) const noexcept;
  uint64_t block_end(uint64_t bitmap_offset) const noexcept;
  void use(uint64_t block, uint64_t bitmap_offset) noexcept;
  uint64_t footer_place(uint64_t least) noexcept;
  void start_growth() noexcept;
  void start_growth_ahead() noexcept;
  bool take_gaps() noexcept;
  void zero_next_gap() noexcept;
  void start_step(Step step) noexcept;
  void end_step(int error) noexcept;
  void fail_growth(int error) noexcept;
  void end_growth() noexcept;
  void zero_next_freed() noexcept;

  Layer& layer_;
  Owner& owner_;
  uint64_t growth_bytes_;
  uint64_t max_growth_bytes_;
  uint64_t alignment_;
  Footer footer_;
  iovec footer_memory_;
  uint64_t end_;            // of the last block, or of what else there is
  uint64_t zero_end_;       // the file is durably zero from end_ to here
  uint64_t footer_offset_;  // where the last footer is
  uint64_t file_end_;
  uint64_t unknown_end_;  // behind zero_end_: from here on the file was never written
  bool footer_moved_ = false;
  bool footer_in_gap_ = false;  // so it need not be zeroed when the file grows
  Growth growth_;
  std::vector<Gap> gaps_;  // of earlier sessions
  bool gaps_synced_ = false;
  std::vector<uint32_t> gap_places_;  // being zeroed
  size_t zeroed_gaps_ = 0;

  std::vector<bool> is_dirty_;  // by sector of the table
  std::vector<uint32_t> dirty_;
  std::vector<uint32_t> free_;  // places that may be used
  std::vector<uint32_t> freed_;
  std::vector<uint32_t> freed_later_;  // while freed_ is on its way
  FreedState freed_state_ = FreedState::kCollecting;
  uint64_t freed_before_ = 0;  // operations below this number may still touch freed_
  size_t zeroed_count_ = 0;
  bool zeroing_ = false;
  Zeroing zero_request_;
};

template <class Visit>
void Allocator::take_dirty(Visit&& visit) noexcept {
  for (uint32_t sector : dirty_) {
    is_dirty_[sector] = false;
    visit(sector);
  }
  dirty_.clear();
}

}  // namespace viridian::vhd
