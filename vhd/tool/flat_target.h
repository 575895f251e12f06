// A target whose bytes are the disk's: a raw file, or a fixed image with its footer behind.
#pragma once

#include <optional>

#include "vhd/create.h"
#include "vhd/tool/disk_target.h"
#include "vhd/tool/file_sink.h"

namespace viridian::vhd::tool {

// Of a fixed image, once the disk's size is known.
Footer fixed_footer(Compat compat, uint64_t size_bytes);

class FlatTarget final : public DiskTarget {
 public:
  // `compat`: of a fixed image; nothing for a raw one.
  FlatTarget(FileSink sink, std::optional<Compat> compat)
      : sink_(std::move(sink)), compat_(compat) {}

  Result<void> place(const Run&) override { return {}; }
  Result<void> write(const Run& run) override;
  Result<void> finish(uint64_t size_bytes) override;
  uint64_t file_size_bytes() const override { return file_size_bytes_; }

 private:
  FileSink sink_;
  std::optional<Compat> compat_;
  uint64_t file_size_bytes_ = 0;
};

}  // namespace viridian::vhd::tool
