// Sizes as people write and read them: "40M", "10G"; "1.5 GiB". Powers of 1024.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace viridian::vhd::tool {

// Digits with nothing or one of K, M, G, T behind them, or KiB and so on.
Result<uint64_t> parse_size(std::string_view text);

std::string size_text(uint64_t bytes);

// 16 bytes as "8ae9ad2b-...": raw bytes in the order of the file.
template <class Id>
std::string id_text(const Id& id) {
  std::string text;
  for (size_t i = 0; i < id.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += fmt::format("{:02x}", id[i]);
  }
  return text;
}

}  // namespace viridian::vhd::tool
