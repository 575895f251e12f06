// Which other files an image of a foreign format would make qemu-nbd open: a hostile one may name
// any file of the host as its backing file, and its bytes would be in the new image.
#pragma once

#include <string>

#include "base/result.h"

namespace viridian::vhd::tool {

// kInvalidArgument if the image at `path`, or a backing file of it, names a file out of its folder,
// or anything that is no file. Asks qemu-img, which opens the image alone. `path` is absolute.
Result<void> refuse_files_outside(const std::string& path, const std::string& format);

}  // namespace viridian::vhd::tool
