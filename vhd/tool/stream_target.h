// A target that is written once, from its start to its end: a raw or fixed image on standard
// output.
#pragma once

#include <optional>
#include <string>

#include "vhd/create.h"
#include "vhd/tool/disk_target.h"

namespace viridian::vhd::tool {

class StreamTarget final : public DiskTarget {
 public:
  // `compat`: of a fixed image; nothing for a raw one.
  StreamTarget(int fd, std::string name, std::optional<Compat> compat)
      : fd_(fd), name_(std::move(name)), compat_(compat) {}

  Result<void> place(const Run& run) override;
  Result<void> write(const Run&) override { return {}; }  // place() did, in order
  Result<void> finish(uint64_t size_bytes) override;
  uint64_t file_size_bytes() const override { return at_; }

 private:
  Result<void> put(std::span<const std::byte> bytes);
  Result<void> put_zeroes_up_to(uint64_t offset);

  int fd_;
  std::string name_;
  std::optional<Compat> compat_;
  uint64_t at_ = 0;
};

}  // namespace viridian::vhd::tool
