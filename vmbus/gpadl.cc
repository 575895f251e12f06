#include "vmbus/gpadl.h"

#include "base/checked.h"
#include "vmbus/ring_protocol.h"

namespace viridian::vmbus {

std::optional<size_t> Gpadl::ranges(uint32_t offset, uint32_t length,
                                    std::span<GpaRange> out) const noexcept {
  if (!range_within(offset, length, byte_count)) return std::nullopt;
  uint64_t at = uint64_t{byte_offset} + offset;
  size_t used = 0;
  while (length > 0) {
    const auto within = static_cast<uint32_t>(at % kPageBytes);
    const uint32_t count = std::min(length, kPageBytes - within);
    const uint64_t gpa = pfns[at / kPageBytes] * kPageBytes + within;
    if (used > 0 && to_u64(out[used - 1].base) + out[used - 1].length == gpa) {
      out[used - 1].length += count;
    } else {
      if (used == out.size()) return std::nullopt;
      out[used++] = {Gpa{gpa}, count};
    }
    at += count;
    length -= count;
  }
  return used;
}

GpadlTable::Progress GpadlTable::header(uint32_t relid, uint32_t handle, uint32_t range_bytes,
                                        uint32_t range_count, std::span<const std::byte> ranges) {
  const auto range = read_wire<GpaRangeHeader>(ranges);
  if (!range || range_count != 1 || gpadls_.contains(handle)) return Progress::kRefused;
  const uint32_t byte_count = range->byte_count;
  const uint32_t byte_offset = range->byte_offset;
  const uint64_t page_count = div_ceil<uint64_t>(uint64_t{byte_count} + byte_offset, kPageBytes);
  // The announced bytes bound the pages: at most 8190, since their field has 16 bits.
  if (byte_count == 0 || byte_offset >= kPageBytes ||
      range_bytes != sizeof(GpaRangeHeader) + page_count * sizeof(le64)) {
    return Progress::kRefused;
  }
  if (gpadls_.size() >= kMaxGpadls || incomplete_ >= kMaxIncompleteGpadls ||
      page_count > kMaxGpadlPages - pages_) {
    return Progress::kRefused;
  }
  const auto entry = gpadls_.emplace(handle, Entry{}).first;
  entry->second.gpadl = {handle, relid, byte_offset, byte_count, {}};
  entry->second.gpadl.pfns.reserve(page_count);
  entry->second.expected = page_count;
  pages_ += page_count;
  ++incomplete_;
  return append(entry, ranges.subspan(sizeof(GpaRangeHeader)));
}

GpadlTable::Progress GpadlTable::body(uint32_t handle, std::span<const std::byte> pfns,
                                      uint32_t& relid) {
  const auto entry = gpadls_.find(handle);
  if (entry == gpadls_.end() || entry->second.complete()) return Progress::kIgnored;
  relid = entry->second.gpadl.relid;
  // An empty body would let the guest keep a list incomplete for ever at no cost of its own.
  if (pfns.size() < sizeof(le64)) {
    erase(entry);
    return Progress::kRefused;
  }
  return append(entry, pfns);
}

GpadlTable::Progress GpadlTable::append(Map::iterator it, std::span<const std::byte> pfns) {
  Entry& entry = it->second;
  // What is behind the last expected page number, or is not a whole one, is padding.
  for (size_t at = 0; !entry.complete() && pfns.size() - at >= sizeof(le64); at += sizeof(le64)) {
    const uint64_t pfn = *read_wire<le64>(pfns, at);
    const auto gpa = checked_mul<uint64_t>(pfn, kPageBytes);
    if (!gpa || !memory_.window(Gpa{*gpa}, kPageBytes)) {
      erase(it);
      return Progress::kRefused;
    }
    entry.gpadl.pfns.push_back(pfn);
  }
  if (!entry.complete()) return Progress::kIncomplete;
  --incomplete_;
  return Progress::kCreated;
}

const Gpadl* GpadlTable::find(uint32_t relid, uint32_t handle) const noexcept {
  const auto it = gpadls_.find(handle);
  if (it == gpadls_.end() || it->second.gpadl.relid != relid || !it->second.complete()) {
    return nullptr;
  }
  return &it->second.gpadl;
}

void GpadlTable::erase(Map::iterator entry) noexcept {
  pages_ -= entry->second.expected;
  if (!entry->second.complete()) --incomplete_;
  gpadls_.erase(entry);
}

bool GpadlTable::erase(uint32_t relid, uint32_t handle) noexcept {
  const auto it = gpadls_.find(handle);
  if (it == gpadls_.end() || it->second.gpadl.relid != relid) return false;
  erase(it);
  return true;
}

void GpadlTable::erase_channel(uint32_t relid) noexcept {
  for (auto it = gpadls_.begin(); it != gpadls_.end();) {
    const auto next = std::next(it);
    if (it->second.gpadl.relid == relid) erase(it);
    it = next;
  }
}

void GpadlTable::clear() noexcept {
  gpadls_.clear();
  pages_ = 0;
  incomplete_ = 0;
}

}  // namespace viridian::vmbus
