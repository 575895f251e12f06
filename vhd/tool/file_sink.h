// The file that a target writes: whole ranges at any offset, from several threads at a time, and on
// its way to the disk early if it is to be durable soon.
#pragma once

#include <sys/uio.h>

#include <span>
#include <string>

#include "base/result.h"

namespace viridian::vhd::tool {

class FileSink {
 public:
  // `direct`: past the page cache where the file system can. `early`: what is written starts for
  // the disk at once, so that a sync at the end finds little left to do.
  FileSink(int fd, std::string name, bool direct, bool early);
  // Takes everything and writes nothing.
  static FileSink nowhere() { return {-1, {}, false, false}; }

  Result<void> write(uint64_t offset, std::span<const std::byte> bytes) const;
  // Two pieces of memory, one after the other in the file.
  Result<void> write(uint64_t offset, std::span<const std::byte> head,
                     std::span<const std::byte> bytes) const;
  Result<void> resize(uint64_t size_bytes) const;
  // What follows is small and goes through the page cache, at any offset.
  void end_direct();

  int fd() const { return fd_; }
  bool direct() const { return direct_; }
  const std::string& name() const { return name_; }

 private:
  int fd_;
  std::string name_;
  bool direct_ = false;
  bool early_;
};

}  // namespace viridian::vhd::tool
