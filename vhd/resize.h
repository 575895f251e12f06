// Changes the size of the disk in an image, in place and safe at any cut: rewriter.h has the rules.
//
// Growing a sparse image: (1) what the last block holds behind the disk's end is cleared, so that
// new space reads as zeroes; (2) blocks and locators in the way of the longer table move away; (3)
// the new part of the table is written behind the old one, where nothing leads to yet; (4) header
// and footers change. A table that has room behind it moves nothing. Shrinking: (1) header and
// footers change; (2) the last block is cleared behind the disk's end, and the file is cut behind
// what is left. Gaps stay for compact.h. A fixed image: growing writes a footer of the old size at
// the new end, clears the old one, and rewrites the new one with the new size; shrinking goes the
// other way round. Its one footer has no copy: this trusts the file system not to make a file
// longer without the sector that did it, which journalling file systems see to. Control path.
// Parents' sizes are not looked at, and children of the image are the caller's care.
#pragma once

#include "vhd/rewriter.h"

namespace viridian::vhd {

struct ResizeResult {
  uint64_t old_size_bytes = 0;
  uint64_t moved_bytes = 0;  // of blocks that were in the way
};

// Of any type, raw files too. kInvalidArgument for a size that the format has no room for. What is
// behind a smaller size is lost without a question.
Result<ResizeResult> resize_image(io::File& file, const Image& image, uint64_t size_bytes,
                                  const GoOn& go_on = {});

}  // namespace viridian::vhd
