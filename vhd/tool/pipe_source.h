// A source that is read once, from its start to its end: standard input.
#pragma once

#include <string>

#include "vhd/tool/disk_source.h"

namespace viridian::vhd::tool {

class PipeSource final : public DiskSource {
 public:
  // `size_bytes`: how much there must be, if it is known.
  PipeSource(int fd, std::string name, std::optional<uint64_t> size_bytes)
      : fd_(fd), name_(std::move(name)), size_bytes_(size_bytes) {}

  std::optional<uint64_t> size_bytes() const override { return size_bytes_; }
  Result<bool> next(Piece& piece) override;
  Result<void> read(Piece&) override { return {}; }  // next() did

 private:
  int fd_;
  std::string name_;
  std::optional<uint64_t> size_bytes_;
  uint64_t at_ = 0;
};

}  // namespace viridian::vhd::tool
