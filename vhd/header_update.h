// Replaces the header of a sparse image, and fields of its footers, so that a cut at any moment
// leaves the old ones or the new ones.
//
// A header is two sectors under one checksum, and a cut may keep one of them. So it is never
// changed where a footer leads to it. In this order, durable after each step:
//   1. the new header behind the end of the file; the copy of the footer at 0 leads to the old one
//   2. a footer behind it that leads to it: from here on the file ends with a good footer, and the
//      new header counts (footer_search.h knows a header directly before the last footer by it)
//   3. the footer's copy at 0 leads there too
//   4. the new header in its place, where no footer leads now
//   5. the footers lead to its place again
//   6. what was appended is cut off
// After a cut the image opens as it is; the next writer makes its footers agree. Programs that read
// only one of the two footers see a whole image at each step. Control path. Not for block devices,
// which cannot grow.
#pragma once

#include "io/file.h"
#include "vhd/vhd_format.h"

namespace viridian::vhd {

struct HeaderUpdate {
  SparseHeader header;         // sealed here
  Footer footer;               // sealed here; its data_offset is where the header belongs
  uint64_t footer_offset = 0;  // of the last footer, from then on
};

// `file` has a good footer at 0 (kCorrupt if not), and nothing in use at footer_offset but an old
// footer. What the new header leads to has been written before, where nothing old was in use; it
// need not be durable.
Result<void> update_header(io::File& file, HeaderUpdate update);

}  // namespace viridian::vhd
