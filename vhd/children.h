// The images that have another one as their parent, as far as they lie in its folder: nobody
// records a parent's children, so an operation that changes what they would read looks for them.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace viridian::vhd {

// Their paths, in order of name. Images that cannot be read are no children of anybody's; one that
// records the parent's id and whose parent cannot be found counts.
Result<std::vector<std::string>> find_children(const std::string& path);

// kMismatch if there are any; the line names the first. Children elsewhere are not known, but keep
// their parent locked while they are open (lock.h). A block device has no folder to look in.
Result<void> refuse_parent(const std::string& path);

}  // namespace viridian::vhd
