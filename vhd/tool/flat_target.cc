#include "vhd/tool/flat_target.h"

#include "base/checked.h"
#include "vhd/footer.h"
#include "vhd/tool/disk_source.h"

namespace viridian::vhd::tool {

Footer fixed_footer(Compat compat, uint64_t size_bytes) {
  return footer_for(compat, kDiskTypeFixed, size_bytes, random_unique_id());
}

Result<void> FlatTarget::write(const Run& run) {
  std::span<const std::byte> data = run.data;
  // Direct writes are of whole pages; what is too much at the end is cut off by finish().
  if (sink_.direct()) data = {data.data(), align_up<size_t>(data.size(), kPieceAlignment)};
  return sink_.write(run.offset, data);
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
