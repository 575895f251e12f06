// The sectors of bitmaps that are in memory, for all layers of a disk: a fixed number of slots,
// found by a hash table, given to others when they are clean and not in use.
//
// Bit 7 of byte 0 is the first sector ("Block Allocation Table and Data Blocks"). A changed slot
// keeps its place until a commit has written it; see allocator.h for when that may be. Data path,
// the disk's reactor only; nothing is allocated after construction.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <vector>

#include "vhd/layer.h"
#include "vhd/operation.h"

namespace viridian::vhd {

struct BitmapSlot {
  enum class State : uint8_t { kFree, kLoading, kReady };

  State state = State::kFree;
  bool dirty = false;       // differs from the file
  bool listed = false;      // among the dirty ones; may have become clean since
  bool committing = false;  // `shadow` is being written
  bool recent = false;      // used since the clock's hand last passed
  uint32_t pins = 0;        // fragments that hold on to it
  uint32_t layer = 0;
  uint64_t unit = 0;
  uint32_t shadow_place = 0;  // the block's place when the shadow was made
  uint32_t next = 0;          // in the hash bucket
  std::byte* bits = nullptr;
  std::byte* shadow = nullptr;  // what a commit writes: the bits at its start
  iovec shadow_memory = {};
  WaitList waiting;  // operations that need the bits being loaded
};

class BitmapCache {
 public:
  explicit BitmapCache(uint32_t slot_count);

  // The slot of a unit, or nothing; its bits are valid in state kReady.
  BitmapSlot* find(uint32_t layer, uint64_t unit) noexcept;
  // An empty slot for a unit that has none, in state kLoading and all zero, or nothing if every
  // slot is dirty or pinned.
  BitmapSlot* take(uint32_t layer, uint64_t unit) noexcept;
  void drop(BitmapSlot& slot) noexcept;

  void mark_dirty(BitmapSlot& slot) noexcept;
  uint32_t dirty_count() const noexcept { return static_cast<uint32_t>(dirty_.size()); }
  // Copies every dirty slot's bits to its shadow and calls visit(slot); none is dirty then.
  template <class Visit>
  void snapshot(Visit&& visit) noexcept;

 private:
  struct FreeMemory {
    void operator()(std::byte* memory) const { std::free(memory); }
  };
  uint32_t& bucket(uint32_t layer, uint64_t unit) noexcept;
  void unlink(BitmapSlot& slot) noexcept;
  uint32_t index_of(const BitmapSlot& slot) const noexcept {
    return static_cast<uint32_t>(&slot - slots_.data());
  }

  std::unique_ptr<std::byte[], FreeMemory> memory_;
  std::vector<BitmapSlot> slots_;
  std::vector<uint32_t> buckets_;
  std::vector<uint32_t> dirty_;
  uint32_t hand_ = 0;
};

// A run of equal bits from `first` on, at most `limit` long.
struct BitRun {
  bool set;
  uint32_t length;
};
BitRun run_of_bits(const std::byte* bits, uint32_t first, uint32_t limit) noexcept;
void set_bits(std::byte* bits, uint32_t first, uint32_t count) noexcept;

template <class Visit>
void BitmapCache::snapshot(Visit&& visit) noexcept {
  for (uint32_t index : dirty_) {
    BitmapSlot& slot = slots_[index];
    slot.listed = false;
    if (!slot.dirty) continue;  // its block was freed since
    slot.dirty = false;
    std::copy_n(slot.bits, kSectorBytes, slot.shadow);
    visit(slot);
  }
  dirty_.clear();
}

}  // namespace viridian::vhd
