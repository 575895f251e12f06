#include "vhd/tool/data_map.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace viridian::vhd::tool {
namespace {

// Holes smaller than this are read: the list stays short, and reading on costs less.
constexpr uint64_t kLeastHole = 64 * 1024;

void add(std::vector<Range>& ranges, Range range) {
  if (range.length == 0) return;
  if (!ranges.empty()) {
    Range& last = ranges.back();
    const uint64_t end = last.offset + last.length;
    if (range.offset <= end + kLeastHole) {
      last.length = std::max(end, range.offset + range.length) - last.offset;
      return;
    }
  }
  ranges.push_back(range);
}

// A raw or fixed disk: its bytes are the file's.
std::vector<Range> ranges_of_file(const ChainLink& link) {
  const auto size = static_cast<off_t>(link.image.size_bytes);
  std::vector<Range> ranges;
  off_t at = 0;
  while (at < size) {
    const off_t data = ::lseek(link.fd.get(), at, SEEK_DATA);
    if (data < 0 && errno == ENXIO) break;  // only a hole is left
    const off_t hole = data < 0 ? -1 : ::lseek(link.fd.get(), data, SEEK_HOLE);
    if (data < 0 || hole <= data) {  // a file system, or a device, without holes
      add(ranges, {static_cast<uint64_t>(at), static_cast<uint64_t>(size - at)});
      break;
    }
    if (data >= size) break;
    add(ranges, {static_cast<uint64_t>(data), static_cast<uint64_t>(std::min(hole, size) - data)});
    at = hole;
  }
  return ranges;
}

std::vector<Range> ranges_of_blocks(const Image& image) {
  std::vector<Range> ranges;
  for (size_t block = 0; block < image.bat.size(); ++block) {
    if (image.bat[block] == kUnusedEntry) continue;
    const uint64_t offset = uint64_t{block} * image.block_size;
    add(ranges, {offset, std::min<uint64_t>(image.block_size, image.size_bytes - offset)});
  }
  return ranges;
}

}  // namespace

std::vector<Range> data_ranges(std::span<const ChainLink> chain) {
  const uint64_t size = chain.front().image.size_bytes;
  std::vector<Range> all;
  for (const ChainLink& link : chain) {
    const bool flat = link.image.type == ImageType::kRaw || link.image.type == ImageType::kFixed;
    for (Range range : flat ? ranges_of_file(link) : ranges_of_blocks(link.image)) {
      if (range.offset >= size) break;  // of a parent that is larger than the leaf
      range.length = std::min(range.length, size - range.offset);
      all.push_back(range);
    }
  }
  std::sort(all.begin(), all.end(),
            [](const Range& a, const Range& b) { return a.offset < b.offset; });
  std::vector<Range> merged;
  for (const Range& range : all)
    add(merged, range);
  return merged;
}

}  // namespace viridian::vhd::tool
