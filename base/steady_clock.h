// The time since some moment in the past, which no person or server changes. Any thread.
#pragma once

#include <chrono>
#include <cstdint>

namespace viridian {

inline uint64_t steady_now_ns() noexcept {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(now).count());
}

}  // namespace viridian
