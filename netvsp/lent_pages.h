// The pages of a buffer that a guest lends, translated once. Control path.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "base/guest_memory.h"
#include "netvsp/limits.h"
#include "vmbus/gpadl.h"

namespace viridian::netvsp {

constexpr uint32_t kLentPageBytes = 4096;

// Nothing if the buffer is out of limits or a page is not memory.
inline std::optional<std::vector<std::byte*>> map_lent_pages(const GuestMemory& memory,
                                                             const vmbus::Gpadl& gpadl) {
  if (gpadl.byte_count < kMinBufferBytes || gpadl.byte_count > kMaxBufferBytes) return {};
  std::vector<std::byte*> pages;
  pages.reserve(gpadl.pfns.size());
  for (const uint64_t pfn : gpadl.pfns) {
    const auto page = memory.window(Gpa{pfn * kLentPageBytes}, kLentPageBytes);
    if (!page) return {};
    pages.push_back(page->data());
  }
  return pages;
}

}  // namespace viridian::netvsp
