// The paths at which a differencing image's parent may be, in the order of trying, and paths from
// Windows and back. Text only: nothing here touches a file system.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "vhd/image.h"

namespace viridian::vhd {

struct ParentCandidate {
  std::string source;  // for messages: "W2ru"
  std::string path;    // absolute, or relative to the child's folder
};

std::vector<ParentCandidate> parent_candidates(const Image& child, const OpenPolicy& policy);

// "C:\a\b" by the drives of `policy`; other paths with their separators turned.
std::string posix_from_windows(std::string_view path, const OpenPolicy& policy);

// "file://localhost/a%20b" and "file:///a b" give "/a b".
std::optional<std::string> posix_from_file_url(std::string_view url);

// What follows the last separator, of either kind.
std::string_view file_name_of(std::string_view path);

// Relative paths begin with ".\" as W2ru demands; absolute ones get the drive C.
std::string windows_from_posix(std::string_view path);

}  // namespace viridian::vhd
