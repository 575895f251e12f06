// Makes new images. Each is written under a temporary name in its folder and renamed when it is
// complete and durable, so a failure leaves nothing behind. Costs the same at every size.
//
// Block data starts at multiples of 4 KiB, as Windows 8 and later place it. The geometry is the
// specification's where it gives the exact size, and 65535/16/255 otherwise: readers that prefer
// the geometry (QEMU up to 9) then see the exact size too.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "vhd/image.h"
#include "vhd/limits.h"

namespace viridian::vhd {

struct CreateOptions {
  uint64_t size_bytes = 0;  // a multiple of 512; of a differencing disk: 0 = its parent's
  uint32_t block_size = kDefaultBlockSize;
  bool replace = false;      // an existing file; refused otherwise
  bool preallocate = false;  // a fixed disk's space, reserved without being written
};

Result<void> create_fixed(const std::string& path, const CreateOptions& options);
Result<void> create_dynamic(const std::string& path, const CreateOptions& options);

// `parent` is a path as the caller sees it; the child records it relative to its own folder, and
// absolute. `policy` is for opening the parent.
Result<void> create_differencing(const std::string& path, const std::string& parent,
                                 const CreateOptions& options, const OpenPolicy& policy = {});

}  // namespace viridian::vhd
