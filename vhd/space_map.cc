#include "vhd/space_map.h"

#include <algorithm>

#include "base/checked.h"
#include "vhd/locators.h"

namespace viridian::vhd {
namespace {

constexpr uint64_t kSector = 512;

}  // namespace

void SpaceMap::add(uint64_t begin, uint64_t end) {
  if (begin >= end) return;
  auto at = ranges_.upper_bound(begin);
  if (at != ranges_.begin() && std::prev(at)->second >= begin) --at;
  while (at != ranges_.end() && at->first <= end) {
    begin = std::min(begin, at->first);
    end = std::max(end, at->second);
    at = ranges_.erase(at);
  }
  ranges_.emplace(begin, end);
}

void SpaceMap::remove(uint64_t begin, uint64_t end) {
  if (begin >= end) return;
  auto at = ranges_.upper_bound(begin);
  if (at != ranges_.begin() && std::prev(at)->second > begin) --at;
  while (at != ranges_.end() && at->first < end) {
    const auto [first, last] = *at;
    at = ranges_.erase(at);
    if (first < begin) ranges_.emplace(first, begin);
    if (last > end) ranges_.emplace(end, last);
  }
}

std::vector<SpaceMap::Range> SpaceMap::overlapping(uint64_t begin, uint64_t end) const {
  std::vector<Range> found;
  auto at = ranges_.upper_bound(begin);
  if (at != ranges_.begin() && std::prev(at)->second > begin) --at;
  for (; at != ranges_.end() && at->first < end; ++at)
    found.push_back({std::max(at->first, begin), std::min(at->second, end)});
  return found;
}

bool SpaceMap::is_free(uint64_t begin, uint64_t end) const {
  auto at = ranges_.upper_bound(begin);
  if (at != ranges_.begin() && std::prev(at)->second > begin) return false;
  return at == ranges_.end() || at->first >= end;
}

uint64_t SpaceMap::find(uint64_t from, uint64_t length, uint64_t alignment, uint64_t skew) const {
  auto at = ranges_.upper_bound(from);
  if (at != ranges_.begin() && std::prev(at)->second > from) from = std::prev(at)->second;
  for (;; ++at) {
    const uint64_t begin = align_up(from + skew, alignment) - skew;
    if (at == ranges_.end() || begin + length <= at->first) return begin;
    from = at->second;
  }
}

std::vector<SpaceMap::Range> metadata_ranges(const Image& image) {
  std::vector<SpaceMap::Range> ranges;
  const auto add = [&](uint64_t begin, uint64_t length) {
    if (length != 0) ranges.push_back({begin, align_up(begin + length, kSector)});
  };
  add(0, sizeof(Footer));
  add(image.footer.data_offset, sizeof(SparseHeader));
  add(image.bat_offset, uint64_t{image.header.max_table_entries} * sizeof(be32));
  if (image.batmap) {
    add(image.batmap->header_offset, sizeof(BatmapHeader));
    add(image.batmap->map_offset, image.batmap->map_bytes);
  }
  if (image.type != ImageType::kDifferencing) return ranges;
  for (const ParentLocator& entry : image.header.parent_locators) {
    if (entry.platform_code.get() == kLocatorNone) continue;
    add(entry.platform_data_offset, locator_space(image, entry));
  }
  return ranges;
}

SpaceMap used_space(const Image& image) {
  SpaceMap used;
  const uint64_t block_bytes = uint64_t{image.bitmap_bytes} + image.block_size;
  for (uint32_t sector : image.bat) {
    if (sector == kUnusedEntry) continue;
    used.add(sector * kSector, sector * kSector + block_bytes);
  }
  for (const SpaceMap::Range& range : metadata_ranges(image))
    used.add(range.begin, range.end);
  return used;
}

}  // namespace viridian::vhd
