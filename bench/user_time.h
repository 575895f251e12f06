// How long this thread ran in user space between calls into the kernel's ring: the calls of
// liburing that enter the kernel are replaced by ones that note the time and call on. Clock ticks
// are far too coarse for this. A stretch that was interrupted for long is left out.
#pragma once

#include <cstdint>

namespace viridian::bench {

// Since the thread began, in nanoseconds.
uint64_t user_time_ns() noexcept;

}  // namespace viridian::bench
