// Xen's block map, which follows the table in images of its tools. Only located, never believed:
// the bitmaps in the blocks say the same and are read anyway.
#pragma once

#include <cstdint>
#include <vector>

#include "vhd/control_io.h"
#include "vhd/image.h"
#include "vhd/layout.h"

namespace viridian::vhd {

// Looks at `offset`, the end of the padded table; adds what it finds to `metadata`.
Result<void> load_batmap(const FileView& file, uint64_t offset, Image& image,
                         std::vector<Extent>& metadata);

}  // namespace viridian::vhd
