// The metadata of a new image: what create.cc and a writer of whole images put into a file that has
// no name yet. Control path.
#pragma once

#include <span>
#include <string>

#include "vhd/control_io.h"
#include "vhd/create.h"

namespace viridian::vhd {

// kInvalidArgument if there is no such image: its size, or its blocks.
Result<void> check_options(const std::string& path, const CreateOptions& options, bool sparse);

struct NewSparse {
  Footer footer;
  SparseHeader header;
  uint64_t metadata_end = 0;  // before the first block
  WriterProfile profile;

  uint32_t bitmap_bytes() const;
  // Of a block's data; a smaller block needs no more than its own size.
  uint64_t data_alignment() const;
  // Where the data of the next block is, if everything before `end` is in use. Its bitmap is
  // directly before it.
  uint64_t next_data(uint64_t end) const;
  // Of the last footer, behind everything that is in use.
  uint64_t footer_offset(uint64_t end) const;
};

// Whether an image can have this size; `unit`: of which it is a multiple.
Result<void> check_disk_size(const std::string& path, uint64_t size_bytes, uint64_t unit,
                             bool sparse);

// An empty dynamic image. `options` have been checked.
NewSparse new_dynamic(const CreateOptions& options);
SparseHeader make_header(const CreateOptions& options, uint64_t table_offset);
uint64_t table_end(const SparseHeader& header);
// Xen's block map behind the table: its end, or the table's where the profile has none.
uint64_t batmap_end(const SparseHeader& header, const WriterProfile& profile);

// Both footers, header, table and block map. `end` is where everything that is in use ends;
// `entries` are the table's, or nothing for an image without blocks. Seals the header.
Result<void> write_metadata(const FileView& file, NewSparse image, uint64_t end,
                            std::span<const uint32_t> entries = {});

}  // namespace viridian::vhd
