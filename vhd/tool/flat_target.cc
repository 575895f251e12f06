#include "vhd/tool/flat_target.h"

#include <algorithm>

#include "base/checked.h"
#include "vhd/footer.h"
#include "vhd/tool/disk_source.h"

namespace viridian::vhd::tool {
namespace {

// A write through the page cache is given pages as large as itself where it is aligned, as it is
// here. The larger the free memory they are made of, the likelier it is that a host has taken it
// back, and gives it again page by page; the smaller, the more there is to do for each byte.
constexpr size_t kCachedWriteBytes = 128u << 10;

}  // namespace

Footer fixed_footer(Compat compat, uint64_t size_bytes) {
  return footer_for(compat, kDiskTypeFixed, size_bytes, random_unique_id());
}

Result<void> FlatTarget::write(const Run& run) {
  std::span<const std::byte> data = run.data;
  // Direct writes are of whole pages; what is too much at the end is cut off by finish().
  if (sink_.direct()) {
    return sink_.write(run.offset, {data.data(), align_up<size_t>(data.size(), kPieceAlignment)});
  }
  for (uint64_t offset = run.offset; !data.empty(); offset += kCachedWriteBytes) {
    const auto part = data.first(std::min(data.size(), kCachedWriteBytes));
    VIRIDIAN_TRY(sink_.write(offset, part));
    data = data.subspan(part.size());
  }
  return {};
}

Result<void> FlatTarget::finish(uint64_t size_bytes) {
  sink_.end_direct();
  file_size_bytes_ = size_bytes + (compat_ ? sizeof(Footer) : 0);
  VIRIDIAN_TRY(sink_.resize(size_bytes));  // drops what a direct write put behind the disk's end
  if (!compat_) return {};
  const Footer footer = fixed_footer(*compat_, size_bytes);
  return sink_.write(size_bytes, wire_bytes(footer));
}

}  // namespace viridian::vhd::tool
