#include "ide-emu/prd_list.h"

#include <algorithm>
#include <array>

#include "base/checked.h"
#include "ide-emu/ata_spec.h"
#include "ide-emu/limits.h"

namespace viridian::ide {
namespace {

constexpr uint32_t kTableSpan = 64 * 1024;

}  // namespace

void PrdList::start(uint32_t table) noexcept {
  at_ = {.next_entry = table & ~3u};
  limit_ = (table | (kTableSpan - 1)) - (uint32_t{sizeof(PrdEntry)} - 1);
}

bool PrdList::load(const GuestMemory& memory) noexcept {
  if (at_.next_entry > limit_) return false;
  const auto entry = memory.read<PrdEntry>(Gpa{at_.next_entry});
  if (!entry) return false;
  const uint32_t bytes = entry->bytes & ~1u;
  at_.address = entry->address & ~1u;
  at_.left = bytes == 0 ? kTableSpan : bytes;
  at_.last = (entry->flags & kPrdEndOfTable) != 0;
  at_.next_entry += sizeof(PrdEntry);
  return true;
}

PrdList::Part PrdList::take(const GuestMemory& memory, uint32_t wanted, uint32_t granule,
                            std::span<iovec> out) noexcept {
  std::array<GpaRange, kMaxDmaSegments> ranges;
  const size_t room = std::min(ranges.size(), out.size());
  size_t used = 0;
  uint32_t bytes = 0;
  uint32_t whole_bytes = 0;  // up to the last multiple of the granule,
  Position whole_end = at_;  // where the walk was there,
  size_t whole_used = 0;     // how many ranges,
  uint32_t whole_last = 0;   // and the length of the last of them.

  while (bytes < wanted) {
    if (at_.left == 0) {
      if (at_.last) break;
      if (!load(memory)) return {.bad = true};
    }
    if (used == room) break;
    const uint32_t piece = std::min(at_.left, wanted - bytes);
    ranges[used++] = {Gpa{at_.address}, piece};
    const uint32_t boundary = align_down(bytes + piece, granule);
    if (boundary > whole_bytes) {
      const uint32_t in_piece = boundary - bytes;
      whole_end = at_;
      whole_end.address += in_piece;
      whole_end.left -= in_piece;
      whole_bytes = boundary;
      whole_used = used;
      whole_last = in_piece;
    }
    at_.address += piece;
    at_.left -= piece;
    bytes += piece;
  }

  at_ = whole_end;
  if (whole_bytes == 0) return {};
  ranges[whole_used - 1].length = whole_last;
  const auto segments = memory.gather(std::span(ranges).first(whole_used), out);
  if (!segments) return {.bad = true};
  return {.segments = *segments, .bytes = whole_bytes};
}

}  // namespace viridian::ide
