#include "vhd/tool/dynamic_target.h"

#include <algorithm>

#include "base/checked.h"
#include "vhd/tool/disk_source.h"

namespace viridian::vhd::tool {

DynamicTarget::DynamicTarget(FileSink sink, const CreateOptions& options)
    : sink_(std::move(sink)),
      image_(new_dynamic(options)),
      end_(image_.metadata_end),
      entries_(image_.header.max_table_entries, kUnusedEntry),
      bitmap_(align_up<uint64_t>(image_.bitmap_bytes(), image_.data_alignment())) {
  // What precedes the first block's bitmap on its page is metadata, which finish() writes.
  const auto bytes = bitmap_.span();
  std::fill(bytes.begin(), bytes.end() - image_.bitmap_bytes(), std::byte{0});
  std::fill(bytes.end() - image_.bitmap_bytes(), bytes.end(), std::byte{0xff});
  if (image_.data_alignment() < kPieceAlignment) sink_.end_direct();
}

// The parts of a run that lie in one block each: visit(block, offset in it, bytes).
template <class Visit>
Result<void> DynamicTarget::for_each_block(const Run& run, Visit&& visit) const {
  const uint32_t block_size = image_.header.block_size;
  uint64_t offset = run.offset;
  for (auto left = run.data; !left.empty();) {
    const uint64_t in_block = offset % block_size;
    const auto part = left.first(std::min<uint64_t>(left.size(), block_size - in_block));
    VIRIDIAN_TRY(visit(offset / block_size, in_block, part));
    offset += part.size();
    left = left.subspan(part.size());
  }
  return {};
}

Result<void> DynamicTarget::place(const Run& run) {
  return for_each_block(
      run, [&](uint64_t block, uint64_t in_block, std::span<const std::byte>) -> Result<void> {
        if (entries_[block] != kUnusedEntry) return {};
        const uint64_t data = image_.next_data(end_);
        const uint64_t bitmap = data - image_.bitmap_bytes();
        if (bitmap > kMaxFileOffset) {
          return fail(
              ErrorKind::kInvalidArgument,
              "{}: size: the blocks do not fit into the 2 TiB that a dynamic image's table can "
              "name; use larger blocks",
              sink_.name());
        }
        entries_[block] = static_cast<uint32_t>(bitmap / 512);
        end_ = data + image_.header.block_size;
        // A run that begins with the block takes the bitmap along.
        return in_block == 0 ? Result<void>{}
                             : sink_.write(data - bitmap_.span().size(), bitmap_.span());
      });
}

Result<void> DynamicTarget::write(const Run& run) {
  return for_each_block(
      run, [&](uint64_t block, uint64_t in_block, std::span<const std::byte> data) -> Result<void> {
        const uint64_t at = data_offset(block) + in_block;
        // The end of the disk may be inside a page, the end of the block is not.
        if (sink_.direct()) data = {data.data(), align_up<size_t>(data.size(), kPieceAlignment)};
        if (in_block != 0) return sink_.write(at, data);
        return sink_.write(at - bitmap_.span().size(), bitmap_.span(), data);
      });
}

Result<void> DynamicTarget::finish(uint64_t) {
  sink_.end_direct();
  FileView file;
  file.fd = sink_.fd();
  file.name = sink_.name();
  return write_metadata(file, image_, end_, entries_);
}

}  // namespace viridian::vhd::tool
