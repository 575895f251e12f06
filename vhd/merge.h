// Writes what differencing layers hold into the disk below them, so that it reads as they did: the
// copying part of a commit.
//
// Every sector that a layer's bitmap calls present is written to the target, zeroes too: they hide
// what is below. The layers themselves are only read, so at each moment, and after a cut, the chain
// above reads as before, since they go on hiding what the target holds by now; and the whole can be
// done again from the start. Only when merge_layers() has returned, and with it all is durable, may
// a layer be emptied (finish_child()) or removed. Control path, on the target's reactor.
#pragma once

#include <span>

#include "io/file.h"
#include "vhd/blocking_disk.h"
#include "vhd/image.h"
#include "vhd/rewriter.h"

namespace viridian::vhd {

struct MergeLayer {
  const io::File& file;
  const Image& image;  // differencing
};

// `layers`: the leaf first. `target` is the disk that the last one has as its parent, and not
// smaller than the first one. Returns how many bytes were copied.
Result<uint64_t> merge_layers(std::span<const MergeLayer> layers, BlockingDisk& target,
                              const GoOn& go_on = {});

// Frees all blocks of a differencing image whose parent holds the same data, and notes when the
// parent was modified. `parent_time_stamp` as in the header. With `keep_blocks`, only the latter.
Result<void> finish_child(io::File& file, const Image& image, uint32_t parent_time_stamp,
                          bool keep_blocks);

}  // namespace viridian::vhd
