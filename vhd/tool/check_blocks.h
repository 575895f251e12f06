// Looks into the blocks of a sparse image: what nothing needs to open it, and other programs trip
// over.
#pragma once

#include <vector>

#include "vhd/chain.h"
#include "vhd/tool/findings.h"

namespace viridian::vhd::tool {

// Reads bitmaps, and the data of sectors that they call unused. Appends to `findings`.
Result<void> check_blocks(const ChainLink& link, std::vector<Finding>& findings);

}  // namespace viridian::vhd::tool
