// Takes the blocks that hold nothing out of a sparse image, moves those at its end into the gaps
// and cuts the file, in place and safe at any cut: rewriter.h has the rules.
//
// A block of a dynamic image holds nothing if every sector that its bitmap calls present is zero.
// In a differencing image such zeroes may hide what a parent holds: the block goes only if the
// parents read as zeroes there too. In this order: (1) those blocks' entries become unused; (2)
// blocks from the end move into gaps that have room for one; (3) if the gaps that are left make
// more than half a percent of the file, the blocks behind them move up, by way of the file's end;
// (4) the footer is written behind the last block and the file cut. Each is durable before the
// next; a cut between or within them leaves an image of the same disk, and the next run goes on.
// Control path.
#pragma once

#include "vhd/rewriter.h"

namespace viridian::vhd {

struct CompactResult {
  uint64_t old_file_bytes = 0;
  uint64_t new_file_bytes = 0;
  uint64_t freed_blocks = 0;
  uint64_t moved_bytes = 0;
};

// Whether the parents read as zeroes in a range of the disk, in bytes.
using ParentsAreZero = std::function<Result<bool>(uint64_t offset, uint64_t length)>;

// `image` is dynamic or differencing; `parents` is called for the second only.
Result<CompactResult> compact_image(io::File& file, const Image& image,
                                    const ParentsAreZero& parents, const GoOn& go_on = {});

}  // namespace viridian::vhd
