// Two files that share their blocks: a copy that costs neither time nor space, where the file
// system has it (btrfs, XFS, bcachefs), or is made by the server without moving the data (NFS 4.2,
// SMB).
#pragma once

#include <cstdint>

namespace viridian::vhd::tool {

// Makes the start of `to` the same as `from`'s first `length` bytes. Returns how many bytes that
// was possible for: 0 on a file system that cannot. Not the last few bytes, if they share a block
// with something behind them.
uint64_t clone_start(int from, int to, uint64_t length);

}  // namespace viridian::vhd::tool
