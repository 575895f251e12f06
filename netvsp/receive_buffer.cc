#include "netvsp/receive_buffer.h"

#include <algorithm>
#include <utility>

#include "netvsp/limits.h"

namespace viridian::netvsp {

std::optional<ReceiveBuffer> ReceiveBuffer::map(const GuestMemory& memory,
                                                const vmbus::Gpadl& gpadl, uint32_t section_bytes) {
  auto pages = map_lent_pages(memory, gpadl);
  if (!pages) return {};
  ReceiveBuffer buffer;
  buffer.bytes_ = gpadl.byte_count;
  buffer.first_offset_ = gpadl.byte_offset;
  buffer.section_bytes_ = section_bytes;
  buffer.pages_ = std::move(*pages);
  buffer.next_.resize(std::min(gpadl.byte_count / section_bytes, kMaxReceiveSections));
  for (uint32_t section = buffer.section_count(); section-- > 0;) {
    buffer.next_[section] = buffer.free_;
    buffer.free_ = section;
    ++buffer.free_count_;
  }
  return buffer;
}

uint32_t ReceiveBuffer::take() noexcept {
  const uint32_t section = free_;
  if (section == kNone) return kNone;
  free_ = next_[section];
  next_[section] = kNone;
  --free_count_;
  return section;
}

void ReceiveBuffer::give_back(uint32_t first) noexcept {
  while (first != kNone) {
    const uint32_t following = next_[first];
    next_[first] = free_;
    free_ = first;
    ++free_count_;
    first = following;
  }
}

// `position` counts from the start of the first page.
void ReceiveBuffer::write_pages(uint32_t position, std::span<const std::byte> from) const noexcept {
  while (!from.empty()) {
    const uint32_t in_page = position % kPageBytes;
    const size_t piece = std::min<size_t>(from.size(), kPageBytes - in_page);
    rte_memcpy(pages_[position / kPageBytes] + in_page, from.data(), piece);
    from = from.subspan(piece);
    position += static_cast<uint32_t>(piece);
  }
}

}  // namespace viridian::netvsp
