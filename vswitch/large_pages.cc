#include "vswitch/large_pages.h"

#include <sys/mman.h>

#include <cstdint>

namespace viridian::vswitch {
namespace {

constexpr size_t kLargePageBytes = 2U << 20;

constexpr size_t rounded_up(size_t bytes) {
  return (bytes + kLargePageBytes - 1) / kLargePageBytes * kLargePageBytes;
}

}  // namespace

void LargePagesDeleter::operator()(void* memory) const noexcept { ::munmap(memory, bytes); }

// A mapping starts at any small page, so it is made one large page longer, and its ends are cut.
LargePages allocate_large_pages(size_t bytes) noexcept {
  const size_t wanted = rounded_up(bytes);
  void* mapped = ::mmap(nullptr, wanted + kLargePageBytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) return nullptr;
  auto* const start = static_cast<std::byte*>(mapped);
  // The bytes before the first boundary.
  const size_t before = -reinterpret_cast<uintptr_t>(start) % kLargePageBytes;
  if (before > 0) ::munmap(start, before);
  ::munmap(start + before + wanted, kLargePageBytes - before);
  ::madvise(start + before, wanted, MADV_HUGEPAGE);  // a kernel without them says no
  return LargePages(start + before, {.bytes = wanted});
}

}  // namespace viridian::vswitch
