#include "netvsp/send_sections.h"

#include <algorithm>
#include <utility>

#include "base/checked.h"
#include "netvsp/lent_pages.h"

namespace viridian::netvsp {
namespace {

constexpr uint32_t kPageBytes = kLentPageBytes;

}  // namespace

std::optional<SendSections> SendSections::map(const GuestMemory& memory,
                                              const vmbus::Gpadl& gpadl) {
  auto pages = map_lent_pages(memory, gpadl);
  if (!pages) return {};
  SendSections sections;
  sections.bytes_ = gpadl.byte_count;
  sections.first_offset_ = gpadl.byte_offset;
  sections.pages_ = std::move(*pages);
  return sections;
}

std::optional<size_t> SendSections::pieces(uint32_t section, uint32_t length,
                                           std::span<iovec> out) const noexcept {
  const uint64_t offset = uint64_t{section} * kSendSectionBytes;
  if (length > kSendSectionBytes || !range_within<uint64_t>(offset, length, bytes_)) return {};
  uint64_t at = first_offset_ + offset;
  size_t used = 0;
  while (length > 0) {
    const auto within = static_cast<uint32_t>(at % kPageBytes);
    const uint32_t count = std::min(length, kPageBytes - within);
    std::byte* data = pages_[at / kPageBytes] + within;
    if (used > 0 &&
        static_cast<std::byte*>(out[used - 1].iov_base) + out[used - 1].iov_len == data) {
      out[used - 1].iov_len += count;
    } else {
      out[used++] = {data, count};
    }
    at += count;
    length -= count;
  }
  return used;
}

}  // namespace viridian::netvsp
