// Shows that no two things in an image's file overlap: a block over the table would let a guest
// rewrite the table. Linear in the size of the table.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "vhd/control_io.h"
#include "vhd/image.h"

namespace viridian::vhd {

// One piece of metadata: [offset, offset + length) of the file.
struct Extent {
  uint64_t offset = 0;
  uint64_t length = 0;
  std::string field;               // "header: table_offset"
  bool may_overlap_alike = false;  // a parent locator, which is only read, over another one
};

// That no two pieces share a byte. Each lies within the file, as its reader has checked.
Result<void> check_apart(const FileView& file, std::vector<Extent> metadata);

// Checks `metadata` and the blocks of `image.bat` against the file's size and each other, and sets
// image.data_end.
Result<void> check_layout(const FileView& file, std::vector<Extent> metadata, Image& image);

}  // namespace viridian::vhd
