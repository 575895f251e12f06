#include "base/guest_memory.h"

#include <algorithm>

#include "base/checked.h"

namespace viridian {

Result<void> GuestMemory::add_region(Gpa base, std::span<std::byte> bytes) {
  const uint64_t start = to_u64(base);
  const std::optional<uint64_t> end = checked_add<uint64_t>(start, bytes.size());
  if (bytes.empty() || !end) {
    return fail(ErrorKind::kInvalidArgument, "guest memory at {:#x}: bad length {:#x}", start,
                bytes.size());
  }
  for (const Region& region : regions_) {
    if (start < region.base + region.bytes.size() && region.base < *end) {
      return fail(ErrorKind::kInvalidArgument, "guest memory at {:#x} overlaps the region at {:#x}",
                  start, region.base);
    }
  }
  regions_.push_back({start, bytes});
  return {};
}

const GuestMemory::Region* GuestMemory::find(uint64_t gpa) const noexcept {
  for (const Region& region : regions_) {
    if (gpa >= region.base && gpa - region.base < region.bytes.size()) return &region;
  }
  return nullptr;
}

std::optional<std::span<std::byte>> GuestMemory::window(Gpa gpa, uint64_t length) const noexcept {
  const Region* region = find(to_u64(gpa));
  if (region == nullptr) return std::nullopt;
  const uint64_t offset = to_u64(gpa) - region->base;
  if (!range_within<uint64_t>(offset, length, region->bytes.size())) return std::nullopt;
  return region->bytes.subspan(offset, length);
}

bool GuestMemory::read(Gpa gpa, std::span<std::byte> into) const noexcept {
  const auto bytes = window(gpa, into.size());
  if (!bytes) return false;
  std::ranges::copy(*bytes, into.begin());
  return true;
}

bool GuestMemory::write(Gpa gpa, std::span<const std::byte> from) const noexcept {
  const auto bytes = window(gpa, from.size());
  if (!bytes) return false;
  std::ranges::copy(from, bytes->begin());
  return true;
}

std::optional<size_t> GuestMemory::gather(std::span<const GpaRange> ranges,
                                          std::span<iovec> out) const noexcept {
  size_t used = 0;
  for (const GpaRange& range : ranges) {
    if (range.length == 0) continue;
    const auto bytes = window(range.base, range.length);
    if (!bytes) return std::nullopt;
    if (used > 0) {
      iovec& last = out[used - 1];
      if (static_cast<std::byte*>(last.iov_base) + last.iov_len == bytes->data()) {
        last.iov_len += bytes->size();
        continue;
      }
    }
    if (used == out.size()) return std::nullopt;
    out[used++] = {bytes->data(), bytes->size()};
  }
  return used;
}

}  // namespace viridian
