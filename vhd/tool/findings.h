// What a check found in an image.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace viridian::vhd::tool {

enum class Severity : uint8_t {
  kNote,     // wasted or unusual, and harmless
  kWarning,  // may matter to another program, or to a person
  kError,    // the image cannot be used as it is
};

struct Finding {
  Severity severity;
  std::string_view name;  // "footer-checksum": stable, docs/repair.md
  std::string image;      // its path
  std::string field;
  uint64_t offset = 0;  // in the file
  std::string text;
  std::string cure;  // "repair": mended by vhdtool repair; "choice": by an option of it; or empty
};

constexpr size_t kMaxFindings = 1000;  // for each image, so that damage cannot fill the memory

}  // namespace viridian::vhd::tool
