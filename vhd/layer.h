// One file of a chain as the engine sees it: where each sector of the disk is in the file.
//
// A bitmap is handled in units: one 512-byte sector of bitmap, which covers 4096 sectors of the
// disk, or a whole block where that is smaller. Data path, the disk's reactor only.
#pragma once

#include <algorithm>
#include <memory>

#include "base/checked.h"
#include "io/plain_lane.h"
#include "vhd/image.h"
#include "vhd/published_array.h"

namespace viridian::vhd {

constexpr uint32_t kSectorBytes = 512;
constexpr uint32_t kMaxUnitShift = 12;  // 4096 bits in a sector of bitmap

class alignas(64) Layer {
 public:
  // `image` has been validated by load_image(); its table is taken from it.
  Layer(std::unique_ptr<io::File> file, Image& image);

  io::File& file() const noexcept { return *file_; }
  const io::PlainLane* lane() const noexcept { return lane_; }  // the file's, or null
  bool is_sparse() const noexcept { return sparse_; }
  bool has_parent() const noexcept { return has_parent_; }
  uint64_t sector_count() const noexcept { return sector_count_; }

  // The rest is for sparse layers.
  uint32_t block_shift() const noexcept { return block_shift_; }  // log2 of a block's sectors
  uint32_t unit_shift() const noexcept { return unit_shift_; }
  uint64_t block_count() const noexcept { return block_count_; }
  uint64_t block_of(uint64_t sector) const noexcept { return sector >> block_shift_; }
  uint64_t unit_of(uint64_t sector) const noexcept { return sector >> unit_shift_; }
  uint64_t block_end(uint64_t sector) const noexcept {
    return (block_of(sector) + 1) << block_shift_;
  }
  uint64_t unit_end(uint64_t sector) const noexcept { return (unit_of(sector) + 1) << unit_shift_; }
  uint32_t bitmap_bytes() const noexcept { return bitmap_sectors_ * kSectorBytes; }
  uint64_t block_bytes() const noexcept { return uint64_t{kSectorBytes} << block_shift_; }

  // Of a block: the sector of its bitmap in the file, or kUnusedEntry.
  uint32_t place(uint64_t block) const noexcept { return places_[block]; }
  void set_place(uint64_t block, uint32_t place) noexcept { places_.set(block, place); }
  bool is_allocated(uint64_t block) const noexcept { return place(block) != kUnusedEntry; }
  uint64_t table_offset() const noexcept { return bat_offset_; }

  // Where the data of `sector` is in the file, in bytes; its block is allocated.
  uint64_t data_offset(uint64_t sector) const noexcept {
    return data_offset(sector, place(block_of(sector)));
  }
  // The same if its block is at `place`.
  uint64_t data_offset(uint64_t sector, uint32_t place) const noexcept {
    const uint64_t in_block = sector & ((uint64_t{1} << block_shift_) - 1);
    return (uint64_t{place} + bitmap_sectors_ + in_block) * kSectorBytes;
  }
  // Where the bitmap's sector for `unit` is in the file, in bytes, if its block is at `place`.
  uint64_t bitmap_offset(uint64_t unit, uint32_t place) const noexcept {
    const uint64_t in_block = unit & ((uint64_t{1} << (block_shift_ - unit_shift_)) - 1);
    return (place + in_block) * kSectorBytes;
  }
  uint64_t block_of_unit(uint64_t unit) const noexcept {
    return unit >> (block_shift_ - unit_shift_);
  }

  // Whether every sector of `unit` is known to be present in this layer: no bitmap is needed then.
  bool is_full(uint64_t unit) const noexcept {
    return (full_[unit / 64].load() >> (unit % 64) & 1) != 0;
  }
  void set_full(uint64_t unit, bool full) noexcept;
  // How many sectors of `unit` are on the disk; the last one may have fewer than the others.
  uint32_t unit_sectors(uint64_t unit) const noexcept;

 private:
  // What each request needs, in one line of the processor's cache.
  const io::PlainLane* lane_;
  uint64_t sector_count_;
  uint32_t block_shift_ = 0;
  uint32_t unit_shift_ = 0;
  uint32_t bitmap_sectors_ = 0;
  bool sparse_;
  bool has_parent_;
  PublishedArray<uint64_t> full_;  // one bit for each unit
  BlockTable places_;

  std::unique_ptr<io::File> file_;
  uint64_t bat_offset_ = 0;
  uint64_t block_count_ = 0;
};

}  // namespace viridian::vhd
