// Which ranges of a file are in use, for the operations that move things within it. Control path.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "vhd/image.h"

namespace viridian::vhd {

class SpaceMap {
 public:
  struct Range {
    uint64_t begin = 0;
    uint64_t end = 0;
  };

  void add(uint64_t begin, uint64_t end);  // may overlap what is there
  void remove(uint64_t begin, uint64_t end);
  bool is_free(uint64_t begin, uint64_t end) const;
  std::vector<Range> overlapping(uint64_t begin, uint64_t end) const;
  // Where the last range ends.
  uint64_t end() const { return ranges_.empty() ? 0 : ranges_.rbegin()->second; }

  // The first free range of `length` bytes at or behind `from` such that (its begin + `skew`) is a
  // multiple of `alignment`. There always is one behind end().
  uint64_t find(uint64_t from, uint64_t length, uint64_t alignment, uint64_t skew = 0) const;

 private:
  std::map<uint64_t, uint64_t> ranges_;  // begin to end; apart, and none touches the next
};

// What a sparse image's metadata takes: footer copy, header, table, locators with the space that is
// set aside for them, block map. Not the last footer, which goes where it must.
std::vector<SpaceMap::Range> metadata_ranges(const Image& image);
// With the blocks.
SpaceMap used_space(const Image& image);

}  // namespace viridian::vhd
