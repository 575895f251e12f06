// Saves the bytes that a repair replaces, and puts them back.
#pragma once

#include <string>

#include "vhd/repair.h"

namespace viridian::vhd::tool {

// A new file at `path`, durable when it returns.
Result<void> save_undo(const std::string& path, const FileView& image, const RepairPlan& plan);

// Makes `image` what it was. Checks all of `path` before it writes: kMismatch if the image is not
// as the repair left it.
Result<void> put_back(const std::string& path, const FileView& image);

}  // namespace viridian::vhd::tool
