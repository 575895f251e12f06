// Opens a file that an image names, without trusting the image: the path stays inside a folder, and
// what is no disk is never opened, since opening alone can act (a tape rewinds, a FIFO waits).
// Control path, any thread.
#pragma once

#include <string>

#include "base/result.h"
#include "io/unique_fd.h"

namespace viridian::vhd {

enum class Beneath : uint8_t {
  kFolder,    // neither "..", nor a link, nor an absolute path may lead out of it; regular files
  kAnywhere,  // relative paths still begin in the folder; block devices too
};

// For reading. kInvalidArgument for what is outside, or no regular file (or block device).
Result<UniqueFd> open_beneath(const std::string& folder, const std::string& path, Beneath where);

}  // namespace viridian::vhd
