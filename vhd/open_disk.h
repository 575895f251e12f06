// Opens a disk image of any kind for a guest: with its parents, locked, over io_uring.
#pragma once

#include <memory>
#include <string>

#include "io/unique_fd.h"
#include "io/uring_file.h"
#include "vhd/chain_disk.h"
#include "vhd/image.h"
#include "vhd/lock.h"

namespace viridian::vhd {

struct DiskOptions {
  bool read_only = false;
  io::CacheMode cache = io::CacheMode::kNone;
  bool lock = true;  // false: the caller answers for nobody else writing
  OpenPolicy policy;
};

// What a disk was made of when it was opened, for who tells people about it.
struct DiskDescription {
  ImageType type = ImageType::kRaw;
  uint32_t block_size = 0;  // bytes; 0 if it has no blocks
  uint32_t layers = 0;      // the image and its parents
  UniqueFd leaf;            // the image's open file again
  ImageLock lock;           // the leaf's, shared with the disk
};

// The image at `path`: VHD or raw as `options.policy.format` says, a file or a block device.
// Parents are opened, and locked, for reading. `reactor` is the one that the disk will be used on.
// `description`, if not null, is filled on success.
Result<std::unique_ptr<io::BlockDevice>> open_disk(io::Reactor& reactor, const std::string& path,
                                                   const DiskOptions& options = {},
                                                   DiskDescription* description = nullptr);

// The same disk for another reactor's thread, which then reads and overwrites without the first
// one's help: see disk_view.h. `disk` is what open_disk() gave; called before the other thread uses
// it, and what it gives is destroyed, with no request out, before `disk`.
Result<std::unique_ptr<io::BlockDevice>> open_second_queue(io::BlockDevice& disk,
                                                           io::Reactor& reactor);

}  // namespace viridian::vhd
