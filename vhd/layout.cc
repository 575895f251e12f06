#include "vhd/layout.h"

#include <algorithm>
#include <array>

#include "base/checked.h"

namespace viridian::vhd {
namespace {

constexpr uint64_t kSector = 512;

// In time linear in their number, by 11 bits at a time, as an image that somebody shaped may have a
// table of millions of entries in the worst order.
void sort(std::vector<uint32_t>& sectors) {
  constexpr unsigned kBits = 11;
  if (std::is_sorted(sectors.begin(), sectors.end())) return;
  std::vector<uint32_t> sorted(sectors.size());
  for (unsigned shift = 0; shift < 32; shift += kBits) {
    std::array<size_t, (size_t{1} << kBits) + 1> starts{};
    const auto digit = [&](uint32_t sector) { return sector >> shift & ((1u << kBits) - 1); };
    for (const uint32_t sector : sectors)
      ++starts[digit(sector) + 1];
    for (size_t i = 1; i < starts.size(); ++i)
      starts[i] += starts[i - 1];
    for (const uint32_t sector : sectors)
      sorted[starts[digit(sector)]++] = sector;
    sectors.swap(sorted);
  }
}

size_t index_of(const Image& image, uint32_t sector, size_t skip = 0) {
  size_t index = image.bat.next_used(skip);
  while (index < image.bat.size() && image.bat[index] != sector)
    index = image.bat.next_used(index + 1);
  return index;
}

Field entry_field(const Image& image, size_t index) {
  return {fmt::format("table entry {}", index), image.bat_offset + index * sizeof(be32)};
}

Result<void> check_blocks_apart(const FileView& file, const Image& image,
                                const std::vector<uint32_t>& sectors, uint64_t block_sectors) {
  for (size_t i = 1; i < sectors.size(); ++i) {
    if (sectors[i] - uint64_t{sectors[i - 1]} >= block_sectors) continue;
    const size_t first = index_of(image, sectors[i - 1]);
    const size_t second = index_of(image, sectors[i], sectors[i] == sectors[i - 1] ? first + 1 : 0);
    const size_t later = std::max(first, second);
    const auto problem =
        damaged(file, entry_field(image, later), "is sector {}, inside the block of table entry {}",
                image.bat[later], std::min(first, second));
    if (!file.goes_on()) return problem;
  }
  return {};
}

Result<void> check_against_metadata(const FileView& file, const Image& image,
                                    const std::vector<uint32_t>& sectors, uint64_t block_sectors,
                                    const std::vector<Extent>& metadata) {
  for (const Extent& extent : metadata) {
    if (extent.length == 0) continue;
    const uint64_t end = div_ceil(extent.offset + extent.length, kSector);
    // The last block that starts before the extent's end is the only one that can reach into it.
    auto at = std::lower_bound(sectors.begin(), sectors.end(), end,
                               [](uint32_t sector, uint64_t limit) { return sector < limit; });
    if (at == sectors.begin()) continue;
    --at;
    if (*at + block_sectors > extent.offset / kSector) {
      const auto problem = damaged(file, entry_field(image, index_of(image, *at)),
                                   "is sector {}: its block overlaps {}", *at, extent.field);
      if (!file.goes_on()) return problem;
    }
  }
  return {};
}

// `sectors` is sorted, and nothing overlaps.
std::vector<Gap> find_gaps(const std::vector<uint32_t>& sectors, uint64_t block_bytes,
                           uint64_t data_end, std::vector<Extent> metadata) {
  std::sort(metadata.begin(), metadata.end(),
            [](const Extent& a, const Extent& b) { return a.offset < b.offset; });
  std::vector<Gap> gaps;
  if (sectors.empty()) return gaps;
  uint64_t end = sectors.front() * kSector;  // of what is known so far
  auto next = metadata.begin();
  const auto pass = [&](uint64_t begin, uint64_t length) {
    if (begin >= end + block_bytes && end < data_end)
      gaps.push_back({align_up(end, kSector), begin});
    end = std::max(end, begin + length);
  };
  for (uint32_t sector : sectors) {
    for (; next != metadata.end() && next->offset < sector * kSector; ++next)
      pass(next->offset, next->length);
    pass(sector * kSector, block_bytes);
  }
  for (; next != metadata.end(); ++next)
    pass(next->offset, next->length);
  return gaps;
}

}  // namespace

Result<void> check_apart(const FileView& file, std::vector<Extent> metadata) {
  std::sort(metadata.begin(), metadata.end(),
            [](const Extent& a, const Extent& b) { return a.offset < b.offset; });
  const Extent* before = nullptr;  // the one that reaches furthest so far
  for (const Extent& extent : metadata) {
    if (before != nullptr && extent.offset < before->offset + before->length &&
        !(extent.may_overlap_alike && before->may_overlap_alike)) {
      return damaged(file, {extent.field, extent.offset},
                     "is at offset {}, inside what {} describes", extent.offset, before->field);
    }
    if (before == nullptr || extent.offset + extent.length > before->offset + before->length) {
      before = &extent;
    }
  }
  return {};
}

Result<void> check_layout(const FileView& file, std::vector<Extent> metadata, Image& image) {
  for (const Extent& extent : metadata)
    image.data_end = std::max(image.data_end, extent.offset + extent.length);
  metadata.push_back({image.footer_offset, sizeof(Footer), "the last footer"});
  VIRIDIAN_TRY(check_apart(file, metadata));

  const uint64_t block_bytes = uint64_t{image.bitmap_bytes} + image.block_size;
  const uint64_t file_end = std::min(file.size_bytes, image.footer_offset);
  std::vector<uint32_t> sectors;
  for (size_t i = image.bat.next_used(0); i < image.bat.size(); i = image.bat.next_used(i + 1)) {
    const uint32_t sector = image.bat[i];
    const uint64_t offset = sector * kSector;
    if (!range_within(offset, block_bytes, file_end)) {
      const auto problem =
          damaged(file, entry_field(image, i),
                  "is sector {}: its block of {} bytes ends behind the file's data at {}", sector,
                  block_bytes, file_end);
      if (!file.goes_on()) return problem;
      continue;
    }
    image.data_end = std::max(image.data_end, offset + block_bytes);
    sectors.push_back(sector);
  }
  image.data_end = align_up(image.data_end, kSector);
  sort(sectors);
  const uint64_t block_sectors = block_bytes / kSector;
  VIRIDIAN_TRY(check_blocks_apart(file, image, sectors, block_sectors));
  image.gaps = find_gaps(sectors, block_bytes, image.data_end, metadata);
  return check_against_metadata(file, image, sectors, block_sectors, metadata);
}

}  // namespace viridian::vhd
