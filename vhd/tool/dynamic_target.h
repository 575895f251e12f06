// A target that is a dynamic image: its blocks one behind the other in the order of the disk, each
// written together with its bitmap, and all other metadata once at the end. The file has no name
// before that, so nothing needs the order that a guest's writes need.
#pragma once

#include <vector>

#include "vhd/new_image.h"
#include "vhd/tool/aligned_buffer.h"
#include "vhd/tool/disk_target.h"
#include "vhd/tool/file_sink.h"

namespace viridian::vhd::tool {

class DynamicTarget final : public DiskTarget {
 public:
  // `options` have been checked.
  DynamicTarget(FileSink sink, const CreateOptions& options);

  Result<void> place(const Run& run) override;
  Result<void> write(const Run& run) override;
  Result<void> finish(uint64_t size_bytes) override;
  uint64_t file_size_bytes() const override { return size_with_footer(); }
  // Of the file, if nothing more is placed.
  uint64_t size_with_footer() const { return image_.footer_offset(end_) + sizeof(Footer); }

 private:
  uint64_t data_offset(uint64_t block) const {
    return uint64_t{entries_[block]} * 512 + image_.bitmap_bytes();
  }
  template <class Visit>
  Result<void> for_each_block(const Run& run, Visit&& visit) const;

  FileSink sink_;
  NewSparse image_;
  uint64_t end_;  // everything before it is in use
  std::vector<uint32_t> entries_;
  AlignedBuffer bitmap_;  // of a full block, behind what fills its first page
};

}  // namespace viridian::vhd::tool
