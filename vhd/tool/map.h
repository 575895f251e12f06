// Where the bytes of a disk are: extents of the disk and the layer of the chain that each comes
// from, merged as they are found, so that a map costs no memory.
//
// At block granularity only tables are read: a block that a child has counts as the child's whole.
// At sector granularity the bitmaps say which sectors the child has, and which are its parent's.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "vhd/chain.h"

namespace viridian::vhd::tool {

constexpr uint32_t kNoLayer = ~uint32_t{0};

struct MapExtent {
  uint64_t start = 0;  // of the disk, in bytes
  uint64_t length = 0;
  uint32_t layer = kNoLayer;  // of the chain, 0 is the image; kNoLayer: nobody has it, zeroes
  bool zero = false;          // reads as zeroes: no layer has it, or a hole of the file
  uint64_t offset = 0;        // in the layer's file, of the first byte
  uint64_t pieces = 1;        // in which it is there; 1: contiguous
};

struct MapOptions {
  bool sectors = false;  // look into bitmaps
  bool split = false;    // an extent ends where it is not contiguous in its file
};

using MapSink = std::function<void(const MapExtent&)>;

// The whole disk that `chain` makes, in order, without gaps.
Result<void> map_chain(std::span<const ChainLink> chain, const MapOptions& options,
                       const MapSink& sink);

}  // namespace viridian::vhd::tool
