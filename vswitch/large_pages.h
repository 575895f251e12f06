// Anonymous memory that the kernel backs with large pages where it can: transparent ones, so nobody
// has to reserve any. What a switch touches for each frame is spread over megabytes, and without
// them each of these touches may miss the processor's address cache.
#pragma once

#include <cstddef>
#include <memory>

namespace viridian::vswitch {

struct LargePagesDeleter {
  size_t bytes = 0;
  void operator()(void* memory) const noexcept;
};
using LargePages = std::unique_ptr<void, LargePagesDeleter>;

// Zeroed, and aligned to a large page. Null: there is no memory.
LargePages allocate_large_pages(size_t bytes) noexcept;

}  // namespace viridian::vswitch
