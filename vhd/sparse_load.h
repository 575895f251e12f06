// Reads and validates what a dynamic or differencing image adds to its footer: VHD specification
// 1.0, "Dynamic Disk Header Format" and "Block Allocation Table and Data Blocks".
#pragma once

#include "vhd/control_io.h"
#include "vhd/footer_search.h"
#include "vhd/image.h"

namespace viridian::vhd {

// Fills the rest of `image`, whose footer and size are set.
Result<void> load_sparse(const FileView& file, const FoundFooters& found, const OpenPolicy& policy,
                         Image& image);

}  // namespace viridian::vhd
