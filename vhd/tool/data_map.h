// Which parts of a disk may hold anything but zeroes, known without reading them: allocated blocks,
// and what the file system does not call a hole.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "vhd/chain.h"

namespace viridian::vhd::tool {

struct Range {
  uint64_t offset = 0;  // of the disk, in bytes
  uint64_t length = 0;
};

// In order and apart. `chain` is a whole one, the leaf first.
std::vector<Range> data_ranges(std::span<const ChainLink> chain);

}  // namespace viridian::vhd::tool
