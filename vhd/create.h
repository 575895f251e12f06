// Makes new images. Each has no name until it is complete, so a failure leaves nothing behind.
// Costs the same at every size, but for the table of blocks: 4 MiB at 2040 GiB.
//
// Unless an image is for somebody in particular (writer_profile.h), block data starts at multiples
// of 4 KiB, as Windows 8 and later place it, and the geometry is the specification's where it gives
// the exact size, and 65535/16/255 otherwise: readers that prefer the geometry (QEMU up to 9) then
// see the exact size too.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "vhd/image.h"
#include "vhd/limits.h"
#include "vhd/temp_file.h"
#include "vhd/writer_profile.h"

namespace viridian::vhd {

struct CreateOptions {
  uint64_t size_bytes = 0;  // a multiple of 512; of a differencing disk: 0 = its parent's
  uint32_t block_size = kDefaultBlockSize;
  Compat compat = Compat::kOwn;
  bool replace = false;      // an existing file; refused otherwise
  bool preallocate = false;  // a fixed disk's space, reserved without being written
  // kOrdered is enough for an image that is empty: whatever is flushed into it later takes the
  // rest of the file along.
  Durability durability = Durability::kDurable;
};

Result<void> create_fixed(const std::string& path, const CreateOptions& options);
Result<void> create_dynamic(const std::string& path, const CreateOptions& options);

// `parent` is a path as the caller sees it; the child records it relative to its own folder, and
// absolute. `policy` is for opening the parent.
Result<void> create_differencing(const std::string& path, const std::string& parent,
                                 const CreateOptions& options, const OpenPolicy& policy = {});

}  // namespace viridian::vhd
