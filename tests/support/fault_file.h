// A file on another one whose control path fails once: the writes, syncs and truncations are
// counted, and the one after the first `passing` ends with an error and does nothing. For tests.
#pragma once

#include "io/file.h"

namespace viridian {

class FaultFile final : public io::File {
 public:
  FaultFile(io::File& file, int error, unsigned passing)
      : file_(file), error_(error), passing_(passing) {}

  bool has_failed() const { return has_failed_; }

  void submit(io::FileRequest& request) noexcept override { file_.submit(request); }
  Result<uint64_t> size() const override { return file_.size(); }
  Result<size_t> read_at(uint64_t offset, std::span<std::byte> into) const override {
    return file_.read_at(offset, into);
  }
  Result<void> write_at(uint64_t offset, std::span<const std::byte> from) override {
    VIRIDIAN_TRY(pass());
    return file_.write_at(offset, from);
  }
  Result<void> sync() override {
    VIRIDIAN_TRY(pass());
    return file_.sync();
  }
  Result<void> resize(uint64_t size_bytes) override {
    VIRIDIAN_TRY(pass());
    return file_.resize(size_bytes);
  }
  const std::string& name() const noexcept override { return file_.name(); }
  bool read_only() const noexcept override { return file_.read_only(); }

 private:
  Result<void> pass() {
    if (passing_-- != 0 || has_failed_) return {};
    has_failed_ = true;
    return fail_errno(file_.name(), error_);
  }

  io::File& file_;
  int error_;
  unsigned passing_;
  bool has_failed_ = false;
};

}  // namespace viridian
