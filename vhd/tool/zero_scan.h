// Whether memory is all zeroes, and where its runs of anything else are.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <span>

namespace viridian::vhd::tool {

constexpr size_t kZeroUnit = 64 * 1024;  // a run of zeroes shorter than this is data

// The C library compares with the widest vectors that the processor has: comparing memory with
// itself one byte on is as fast as any loop written for the purpose, and faster than memory.
inline bool all_zero(std::span<const std::byte> bytes) {
  return bytes.empty() || (bytes.front() == std::byte{0} &&
                           std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

// Calls visit(offset, length) for each run of units that are not all zero, in order.
template <class Visit>
void for_each_run(std::span<const std::byte> bytes, Visit&& visit) {
  const auto zero_at = [&](size_t at) {
    return all_zero(bytes.subspan(at, std::min(kZeroUnit, bytes.size() - at)));
  };
  for (size_t from = 0; from < bytes.size();) {
    if (zero_at(from)) {
      from += kZeroUnit;
      continue;
    }
    size_t to = from + kZeroUnit;
    while (to < bytes.size() && !zero_at(to))
      to += kZeroUnit;
    to = std::min(to, bytes.size());
    visit(from, to - from);
    from = to + kZeroUnit;
  }
}

}  // namespace viridian::vhd::tool
