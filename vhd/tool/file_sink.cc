#include "vhd/tool/file_sink.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/checked.h"

namespace viridian::vhd::tool {
namespace {

// In large steps, so that the file system finds room for long runs and makes few requests.
constexpr uint64_t kEarlyWindow = 8u << 20;

}  // namespace

FileSink::FileSink(int fd, std::string name, bool direct, bool early)
    : fd_(fd), name_(std::move(name)), early_(early && !direct) {
  const int flags = direct ? ::fcntl(fd, F_GETFL) : -1;
  direct_ = flags >= 0 && ::fcntl(fd, F_SETFL, flags | O_DIRECT) == 0;
}

void FileSink::end_direct() {
  const int flags = direct_ ? ::fcntl(fd_, F_GETFL) : -1;
  if (flags >= 0) (void)::fcntl(fd_, F_SETFL, flags & ~O_DIRECT);
  direct_ = false;
}

Result<void> FileSink::write(uint64_t offset, std::span<const std::byte> bytes) const {
  return write(offset, {}, bytes);
}

Result<void> FileSink::write(uint64_t offset, std::span<const std::byte> head,
                             std::span<const std::byte> bytes) const {
  if (fd_ < 0) return {};
  const uint64_t begin = offset;
  while (!head.empty() || !bytes.empty()) {
    // writev() does not change what the iovec points to.
    const std::array<iovec, 2> parts = {iovec{const_cast<std::byte*>(head.data()), head.size()},
                                        iovec{const_cast<std::byte*>(bytes.data()), bytes.size()}};
    const bool one = head.empty();
    const ssize_t n =
        ::pwritev(fd_, parts.data() + (one ? 1 : 0), one ? 1 : 2, static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      return fail_errno(fmt::format("{}: writing {} bytes at offset {}", name_,
                                    head.size() + bytes.size(), offset),
                        errno);
    }
    const auto moved = static_cast<size_t>(n);
    const size_t of_head = std::min(moved, head.size());
    head = head.subspan(of_head);
    bytes = bytes.subspan(moved - of_head);
    offset += moved;
  }
  // Who writes across a window's end starts the window for the disk, whether or not others still
  // write to it. Only a beginning: how it ends is for the sync at the end to say.
  const uint64_t window_end = align_down(offset, kEarlyWindow);
  if (early_ && begin < window_end) {
    (void)::sync_file_range(fd_, static_cast<off_t>(window_end - kEarlyWindow), kEarlyWindow,
                            SYNC_FILE_RANGE_WRITE);
  }
  return {};
}

Result<void> FileSink::resize(uint64_t size_bytes) const {
  if (::ftruncate(fd_, static_cast<off_t>(size_bytes)) == 0) return {};
  return fail_errno(fmt::format("{}: setting its size to {} bytes", name_, size_bytes), errno);
}

}  // namespace viridian::vhd::tool
