#include "vhd/layer.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace viridian::vhd {

Layer::Layer(std::unique_ptr<io::File> file, Image& image)
    : lane_(file->plain_lane()),
      sector_count_(image.size_bytes / kSectorBytes),
      sparse_(image.type == ImageType::kDynamic || image.type == ImageType::kDifferencing),
      has_parent_(image.type == ImageType::kDifferencing),
      file_(std::move(file)) {
  if (!sparse_) return;
  block_shift_ = static_cast<uint32_t>(std::countr_zero(image.block_size / kSectorBytes));
  unit_shift_ = std::min(block_shift_, kMaxUnitShift);
  bitmap_sectors_ = image.bitmap_bytes / kSectorBytes;
  bat_offset_ = image.bat_offset;
  places_ = std::move(image.bat);
  block_count_ = places_.size();
  const uint64_t units = block_count_ << (block_shift_ - unit_shift_);
  full_ = PublishedArray<uint64_t>(div_ceil<uint64_t>(units, 64));
}

void Layer::set_full(uint64_t unit, bool full) noexcept {
  const uint64_t bit = uint64_t{1} << (unit % 64);
  auto word = full_[unit / 64];
  word.store(full ? word.load() | bit : word.load() & ~bit);
}

uint32_t Layer::unit_sectors(uint64_t unit) const noexcept {
  const uint64_t begin = unit << unit_shift_;
  const uint64_t size = uint64_t{1} << unit_shift_;
  return static_cast<uint32_t>(begin < sector_count_ ? std::min(size, sector_count_ - begin) : 0);
}

}  // namespace viridian::vhd
