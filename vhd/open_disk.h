// Opens a disk image of any kind for a guest: with its parents, locked, over io_uring.
#pragma once

#include <memory>
#include <string>

#include "io/uring_file.h"
#include "vhd/chain_disk.h"
#include "vhd/image.h"

namespace viridian::vhd {

struct DiskOptions {
  bool read_only = false;
  io::CacheMode cache = io::CacheMode::kNone;
  bool lock = true;  // false: the caller answers for nobody else writing
  OpenPolicy policy;
};

// The image at `path`: VHD or raw as `options.policy.format` says, a file or a block device.
// Parents are opened, and locked, for reading. `reactor` is the one that the disk will be used on.
Result<std::unique_ptr<io::BlockDevice>> open_disk(io::Reactor& reactor, const std::string& path,
                                                   const DiskOptions& options = {});

}  // namespace viridian::vhd
