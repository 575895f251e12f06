// ChainDisk: writes, zeroes and discards, which change the first layer only.
//
// A write to sectors whose bits are set needs no metadata. Another one gets space for its block if
// it has none, writes its data, and sets the bits in memory when the data is written; the commit
// does the rest (allocator.h). When a sync has failed, whatever would need metadata fails at once:
// it could never become durable, and its changes would fill the cache that reads need.
#include <cstring>

#include "vhd/chain_disk.h"

namespace viridian::vhd {

ChainDisk::Step ChainDisk::write_step(Operation& operation) noexcept {
  return change_piece(operation, io::FileOp::kWrite, operation.end - operation.sector);
}

// Space for `block`. kNext: it has it, or the operation has failed.
ChainDisk::Step ChainDisk::ensure_allocated(Operation& operation, uint64_t block) noexcept {
  if (layers_[0].is_allocated(block)) return Step::kNext;
  if (committer_->failed()) {
    fail(operation, io::IoStatus::kMediumError);
    return Step::kNext;
  }
  switch (allocator_->allocate(block)) {
    case Allocator::Outcome::kDone:
      if (merged_count_ > 0) first_layer_[block].store(0);
      break;
    case Allocator::Outcome::kWait:
      park(space_waiters_, operation);
      return Step::kParked;
    case Allocator::Outcome::kNoSpace:
      fail(operation, io::IoStatus::kNoSpace);
      break;
  }
  return Step::kNext;
}

// Writes, or zeroes, what can be handled at once of the operation's next `sectors`.
ChainDisk::Step ChainDisk::change_piece(Operation& operation, io::FileOp op,
                                        uint64_t sectors) noexcept {
  Layer& layer = layers_[0];
  const uint64_t sector = operation.sector;
  if (!layer.is_sparse()) {
    Fragment* fragment = take_fragment(operation);
    if (fragment == nullptr) return Step::kParked;
    start_transfer(operation, *fragment, op, layer, sector * kSectorBytes, sectors);
    return Step::kNext;
  }
  sectors = std::min(sectors, layer.unit_end(sector) - sector);
  const uint64_t block = layer.block_of(sector);
  const uint64_t unit = layer.unit_of(sector);
  const bool is_new = !layer.is_allocated(block);
  if (ensure_allocated(operation, block) == Step::kParked) return Step::kParked;
  if (operation.status != io::IoStatus::kOk) return Step::kNext;

  BitmapSlot* slot = nullptr;
  if (!layer.is_full(unit)) {
    slot = cache_.find(0, unit);
    if (slot == nullptr && is_new) {
      slot = cache_.take(0, unit);
      if (slot == nullptr) return park_for_slot(operation);
      slot->state = BitmapSlot::State::kReady;  // all zero, as the new space is
    }
    if (slot == nullptr || slot->state != BitmapSlot::State::kReady) {
      return load_bitmap(operation, 0, unit);
    }
    const auto first = static_cast<uint32_t>(sector - (unit << layer.unit_shift()));
    const BitRun run = run_of_bits(slot->bits, first, static_cast<uint32_t>(sectors));
    if (op == io::FileOp::kZero && !run.set && !layer.has_parent()) {
      move_on(operation, run.length);  // reads as zeroes already
      return Step::kNext;
    }
    if (run.set && (run.length == sectors || op == io::FileOp::kZero)) {
      sectors = run.length;
      slot = nullptr;
    }
  }
  if (slot != nullptr && committer_->failed()) {
    fail(operation, io::IoStatus::kMediumError);
    return Step::kNext;
  }
  Fragment* fragment = take_fragment(operation);
  if (fragment == nullptr) return Step::kParked;
  if (slot != nullptr) {
    ++slot->pins;
    fragment->slot = slot;
  }
  fragment->sector = sector;
  fragment->sectors = static_cast<uint32_t>(sectors);
  fragment->place = layer.place(block);
  start_transfer(operation, *fragment, op, layer, layer.data_offset(sector), sectors);
  return Step::kNext;
}

// A write that was to set bits has ended well.
void ChainDisk::note_written(Fragment& fragment) noexcept {
  Layer& layer = layers_[0];
  BitmapSlot& slot = *fragment.slot;
  // A discard that overtook it has taken the space away, and its zeroes are the later content.
  if (layer.place(layer.block_of(fragment.sector)) != fragment.place) return;
  const auto first = static_cast<uint32_t>(fragment.sector - (slot.unit << layer.unit_shift()));
  set_bits(slot.bits, first, fragment.sectors);
  cache_.mark_dirty(slot);
  const uint32_t all = layer.unit_sectors(slot.unit);
  const BitRun run = run_of_bits(slot.bits, 0, all);
  if (run.set && run.length == all) layer.set_full(slot.unit, true);
  if (cache_.dirty_count() >= limits_.commit_threshold) committer_->start_unasked();
}

ChainDisk::Step ChainDisk::zero_step(Operation& operation) noexcept {
  const Layer& layer = layers_[0];
  const uint64_t left = operation.end - operation.sector;
  if (!layer.is_sparse()) return change_piece(operation, io::FileOp::kZero, left);

  const uint64_t sector = operation.sector;
  const uint64_t block = layer.block_of(sector);
  const uint64_t block_begin = block << layer.block_shift();
  const uint64_t block_end = std::min(layer.block_end(sector), layer.sector_count());
  const uint64_t in_block = std::min(left, block_end - sector);
  const bool discard = operation.request->op == io::IoOp::kDiscard;

  const bool hides = layer.has_parent() && parents_may_hold(block_begin, block_end - block_begin);
  if (!layer.is_allocated(block)) {
    if (!hides || discard) {
      move_on(operation, in_block);
      return Step::kNext;
    }
    return change_piece(operation, io::FileOp::kZero, in_block);
  }
  if (sector == block_begin && in_block == block_end - block_begin && !hides &&
      !committer_->failed() && allocator_->release(block)) {
    release_block(block);
    written_ = true;
    move_on(operation, in_block);
    return Step::kNext;
  }
  if (discard && !layer.is_full(layer.unit_of(sector))) {
    // Sectors that this layer does not have keep showing what they show.
    const BitmapSlot* slot = cache_.find(0, layer.unit_of(sector));
    if (slot == nullptr || slot->state != BitmapSlot::State::kReady) {
      return load_bitmap(operation, 0, layer.unit_of(sector));
    }
    const uint64_t unit_begin = layer.unit_of(sector) << layer.unit_shift();
    const uint64_t limit = std::min(in_block, layer.unit_end(sector) - sector);
    const BitRun run = run_of_bits(slot->bits, static_cast<uint32_t>(sector - unit_begin),
                                   static_cast<uint32_t>(limit));
    if (!run.set) {
      move_on(operation, run.length);
      return Step::kNext;
    }
    return change_piece(operation, io::FileOp::kZero, run.length);
  }
  return change_piece(operation, io::FileOp::kZero, in_block);
}

// The block's space is gone: its bits are those of a block that is new.
void ChainDisk::release_block(uint64_t block) noexcept {
  Layer& layer = layers_[0];
  const uint32_t shift = layer.block_shift() - layer.unit_shift();
  for (uint64_t unit = block << shift; unit < (block + 1) << shift; ++unit) {
    layer.set_full(unit, false);
    BitmapSlot* slot = cache_.find(0, unit);
    if (slot == nullptr) continue;
    std::memset(slot->bits, 0, kSectorBytes);
    slot->dirty = false;
  }
}

bool ChainDisk::parents_may_hold(uint64_t sector, uint64_t sectors) const noexcept {
  uint64_t end = sector + sectors;
  for (size_t i = 1; i < layers_.size(); ++i) {
    const Layer& layer = layers_[i];
    end = std::min(end, layer.sector_count());
    if (sector >= end) return false;
    if (!layer.is_sparse()) return true;
    for (uint64_t block = layer.block_of(sector); block <= layer.block_of(end - 1); ++block) {
      if (layer.is_allocated(block)) return true;
    }
  }
  return false;
}

}  // namespace viridian::vhd
