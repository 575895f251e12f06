// UringFile's control path: plain system calls, for opening, checking and closing an image.
//
// A direct descriptor takes whole units only, so these calls go through an aligned copy of the
// units that the bytes lie in.
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/checked.h"
#include "io/uring_file.h"

namespace viridian::io {
namespace {

constexpr size_t kAlignment = 4096;

struct Free {
  void operator()(std::byte* memory) const { std::free(memory); }
};
using AlignedMemory = std::unique_ptr<std::byte[], Free>;

AlignedMemory allocate(size_t size) {
  return AlignedMemory(static_cast<std::byte*>(
      std::aligned_alloc(kAlignment, align_up(std::max<size_t>(size, 1), kAlignment))));
}

// Until all is moved, the file ends, or an error other than EINTR: bytes moved, or -errno.
template <class Transfer>
ssize_t repeat(size_t length, Transfer&& transfer) {
  size_t moved = 0;
  while (moved < length) {
    const ssize_t result = transfer(moved, length - moved);
    if (result < 0 && errno == EINTR) continue;
    if (result < 0) return -errno;
    if (result == 0) break;
    moved += static_cast<size_t>(result);
    // A file's last bytes: going on from inside a unit is what direct I/O refuses.
    if (moved % File::kUnit != 0) break;
  }
  return static_cast<ssize_t>(moved);
}

}  // namespace

Result<uint64_t> UringFile::size() const {
  if (is_block_device()) {
    uint64_t bytes = 0;
    if (::ioctl(fd_.get(), BLKGETSIZE64, &bytes) != 0) return fail_errno(name_, errno);
    return bytes;
  }
  struct stat status = {};
  if (::fstat(fd_.get(), &status) != 0) return fail_errno(name_, errno);
  return static_cast<uint64_t>(status.st_size);
}

Result<size_t> UringFile::read_at(uint64_t offset, std::span<std::byte> into) const {
  const uint64_t begin = align_down<uint64_t>(offset, kUnit);
  const size_t head = offset - begin;
  const size_t length = align_up<size_t>(head + into.size(), kUnit);
  const AlignedMemory memory = allocate(length);
  if (!memory) return fail_errno(name_, ENOMEM);
  const ssize_t got = repeat(length, [&](size_t at, size_t left) {
    return ::pread(fd_.get(), memory.get() + at, left, static_cast<off_t>(begin + at));
  });
  if (got < 0) return fail_errno(name_, static_cast<int>(-got));
  const size_t bytes = static_cast<size_t>(got);
  const size_t useful = bytes <= head ? 0 : std::min(bytes - head, into.size());
  if (useful > 0) std::memcpy(into.data(), memory.get() + head, useful);
  return useful;
}

Result<void> UringFile::write_at(uint64_t offset, std::span<const std::byte> from) {
  if (from.empty()) return {};
  const auto before = size();
  if (!before) return Unexpected(before.error());
  const uint64_t begin = align_down<uint64_t>(offset, kUnit);
  const size_t head = offset - begin;
  const size_t length = align_up<size_t>(head + from.size(), kUnit);
  const AlignedMemory memory = allocate(length);
  if (!memory) return fail_errno(name_, ENOMEM);
  std::memset(memory.get(), 0, length);
  if (length != from.size()) {
    const auto old = read_at(begin, {memory.get(), length});
    if (!old) return Unexpected(old.error());
  }
  std::memcpy(memory.get() + head, from.data(), from.size());
  const ssize_t put = repeat(length, [&](size_t at, size_t left) {
    return ::pwrite(fd_.get(), memory.get() + at, left, static_cast<off_t>(begin + at));
  });
  if (put < 0) return fail_errno(name_, static_cast<int>(-put));
  if (static_cast<size_t>(put) != length) return fail_errno(name_, EIO);
  const uint64_t end = std::max(*before, offset + from.size());
  return begin + length > end && !is_block_device() ? resize(end) : Result<void>{};
}

Result<void> UringFile::sync() {
  if (::fdatasync(fd_.get()) != 0) return fail_errno(name_, errno);
  return {};
}

Result<void> UringFile::resize(uint64_t size_bytes) {
  if (::ftruncate(fd_.get(), static_cast<off_t>(size_bytes)) != 0) return fail_errno(name_, errno);
  return {};
}

Result<std::unique_ptr<File>> UringFile::again(Reactor& reactor) const {
  UniqueFd fd(::fcntl(fd_.get(), F_DUPFD_CLOEXEC, 0));
  if (!fd) return fail_errno(name_, errno);
  // Both share one open file, and with it O_DIRECT or its absence.
  auto file = adopt(reactor, std::move(fd), name_,
                    {read_only_, direct_ ? CacheMode::kNone : CacheMode::kWriteback});
  if (!file) return Unexpected(std::move(file).error());
  return std::unique_ptr<File>(std::move(*file));
}

}  // namespace viridian::io
