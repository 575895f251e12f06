#include "io/uring_file.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/checked.h"

namespace viridian::io {
namespace {

constexpr size_t kBounceBytes = 64 << 10;
constexpr size_t kBounceCount = 16;
constexpr size_t kBounceAlignment = 4096;
constexpr uint64_t kMaxRoundBytes = 1 << 30;  // a CQE's result is a signed 32-bit number
constexpr size_t kMaxIovecs = 1024;           // the kernel's UIO_MAXIOV

alignas(kBounceAlignment) constexpr std::byte kZeroes[kBounceBytes] = {};

size_t window_bytes(std::span<const iovec> window) {
  size_t bytes = 0;
  for (const iovec& part : window)
    bytes += part.iov_len;
  return bytes;
}

}  // namespace

void UringFile::FreeMemory::operator()(std::byte* memory) const { std::free(memory); }

Result<std::unique_ptr<UringFile>> UringFile::open(Reactor& reactor,
                                                   const std::string& path,  // set-up
                                                   const FileOptions& options) {
  // O_NONBLOCK: opening a FIFO must not wait for its other end.
  const int access = options.read_only ? O_RDONLY : O_RDWR;
  UniqueFd fd(::open(path.c_str(), access | O_CLOEXEC | O_NONBLOCK));
  if (!fd) return fail_errno(path, errno);
  return adopt(reactor, std::move(fd), path, options);
}

Result<std::unique_ptr<UringFile>> UringFile::adopt(Reactor& reactor, UniqueFd fd,
                                                    std::string name,  // set-up
                                                    const FileOptions& options) {
  std::unique_ptr<UringFile> file(
      new UringFile(reactor, std::move(name), std::move(fd), options));  // set-up
  VIRIDIAN_TRY(file->set_up(options.cache));
  return file;
}

Result<void> UringFile::set_up(CacheMode cache) {
  if (::fstat(fd_.get(), &status_) != 0) return fail_errno(name_, errno);
  if (!S_ISREG(status_.st_mode) && !S_ISBLK(status_.st_mode)) {
    return fail(ErrorKind::kInvalidArgument, "{}: not a regular file or block device", name_);
  }
  direct_ = cache == CacheMode::kNone && try_direct();
  const int flags = ::fcntl(fd_.get(), F_GETFL) & ~(O_DIRECT | O_NONBLOCK);
  if (::fcntl(fd_.get(), F_SETFL, flags | (direct_ ? O_DIRECT : 0)) != 0) {
    return fail_errno(name_, errno);
  }
  lane_.emplace(reactor_, fd_.get(), direct_ ? memory_alignment_ - 1 : 0, direct_ ? kUnit - 1 : 0);
  if (!direct_) return {};
  bounce_memory_.reset(
      static_cast<std::byte*>(std::aligned_alloc(kBounceAlignment, kBounceCount * kBounceBytes)));
  if (!bounce_memory_) return fail_errno(name_, ENOMEM);
  for (size_t i = 0; i < kBounceCount; ++i)
    free_bounces_.push_back(bounce_memory_.get() + i * kBounceBytes);
  return {};
}

// Leaves the descriptor's flags as they may be; set_up() sets them as decided.
bool UringFile::try_direct() {
  memory_alignment_ = kUnit;
  bool is_told = false;
#ifdef STATX_DIOALIGN
  struct statx limits = {};
  if (::statx(fd_.get(), "", AT_EMPTY_PATH, STATX_DIOALIGN, &limits) == 0 &&
      (limits.stx_mask & STATX_DIOALIGN) != 0) {
    if (limits.stx_dio_offset_align == 0 || limits.stx_dio_offset_align > kUnit) return false;
    memory_alignment_ = std::max<uint32_t>(limits.stx_dio_mem_align, 1);
    is_told = true;
  }
#endif
  int sector = 0;
  if (is_block_device() && ::ioctl(fd_.get(), BLKSSZGET, &sector) == 0 && sector > 512) {
    return false;
  }
  if (::fcntl(fd_.get(), F_SETFL, ::fcntl(fd_.get(), F_GETFL) | O_DIRECT) != 0) return false;
  if (is_told) return true;
  // Older kernels do not tell their limits; a read does.
  alignas(kBounceAlignment) std::byte probe[kUnit];
  ssize_t got;
  do {
    got = ::pread(fd_.get(), probe, sizeof(probe), 0);
  } while (got < 0 && errno == EINTR);
  return got >= 0;
}

void UringFile::submit(FileRequest& request) noexcept {
  request.file = this;
  request.moved = 0;
  request.error = 0;
  request.bounce = nullptr;
  if (request.length == 0 && request.op != FileOp::kDataSync) {
    request.run = [](Completion& completion) noexcept {
      auto& self = static_cast<FileRequest&>(completion);
      self.done(self);
    };
    reactor_.defer(request);
    return;
  }
  start_round(request, false);
}

bool UringFile::start_plain(Completion& completion, FileOp op, uint64_t offset,
                            std::span<const iovec> data, uint64_t length) noexcept {
  if (data.empty() || data.size() > kMaxIovecs || length > kMaxRoundBytes) return false;
  if (data.size() == 1 && lane_->start(completion, op, offset, data[0], length)) return true;
  uint64_t unfit = 0;
  uint64_t bytes = 0;  // none of the lengths is so large that the sum overflows
  for (const iovec& part : data) {
    unfit |= lane_->unfit_bits(part);
    bytes += part.iov_len;
  }
  if (unfit != 0 || bytes != length) return false;
  reactor_.start(completion, [&](io_uring_sqe* sqe) {
    io_uring_prep_rw(op == FileOp::kRead ? IORING_OP_READV : IORING_OP_WRITEV, sqe, fd_.get(),
                     data.data(), static_cast<unsigned>(data.size()), offset);
  });
  return true;
}

// The next piece of the request's memory. The whole of it is passed as it is; what is left of it
// after a short transfer, or a part of it, goes through the request's own window.
std::span<const iovec> UringFile::next_window(FileRequest& request) const noexcept {
  const uint64_t left = std::min(request.length - request.moved, kMaxRoundBytes);
  if (request.op == FileOp::kZero) {
    size_t count = 0;
    for (uint64_t bytes = left; bytes > 0 && count < request.window.size(); ++count) {
      const size_t piece = std::min<uint64_t>(bytes, kBounceBytes);
      request.window[count] = {const_cast<std::byte*>(kZeroes), piece};
      bytes -= piece;
    }
    return {request.window.data(), count};
  }
  if (request.skip == 0 && request.moved == 0 && request.data.size() <= kMaxIovecs &&
      window_bytes(request.data) == left) {
    return request.data;
  }
  uint64_t skip = request.skip + request.moved;
  uint64_t bytes = left;
  size_t count = 0;
  for (const iovec& part : request.data) {
    if (bytes == 0 || count == request.window.size()) break;
    if (skip >= part.iov_len) {
      skip -= part.iov_len;
      continue;
    }
    const size_t piece = std::min<uint64_t>(part.iov_len - skip, bytes);
    request.window[count++] = {static_cast<std::byte*>(part.iov_base) + skip, piece};
    skip = 0;
    bytes -= piece;
  }
  return {request.window.data(), count};
}

bool UringFile::needs_bounce(std::span<const iovec> window) const noexcept {
  if (!direct_) return false;
  return std::any_of(window.begin(), window.end(), [this](const iovec& part) {
    // The one place where an address is looked at as a number.
    const auto address = reinterpret_cast<uintptr_t>(part.iov_base);
    return address % memory_alignment_ != 0 || part.iov_len % kUnit != 0;
  });
}

// False: every buffer is in use, and the request waits for one.
bool UringFile::take_bounce(FileRequest& request) noexcept {
  if (request.bounce == nullptr) {
    if (free_bounces_.empty()) {
      waiting_.push_back(request);
      return false;
    }
    request.bounce = free_bounces_.back();
    free_bounces_.pop_back();
  }
  const size_t piece = std::min<uint64_t>(request.length - request.moved, kBounceBytes);
  if (request.op == FileOp::kWrite) {
    copy_from_iovecs(request.bounce, request.data, request.skip + request.moved, piece);
  }
  request.window[0] = {request.bounce, piece};
  return true;
}

void UringFile::start_round(FileRequest& request, bool in_worker) noexcept {
  std::span<const iovec> window;
  const bool writes_zeroes = request.op == FileOp::kZero && !can_punch_;
  if (request.op == FileOp::kRead || request.op == FileOp::kWrite || writes_zeroes) {
    if (request.bounce == nullptr) window = next_window(request);
    if (request.bounce != nullptr || needs_bounce(window)) {
      if (!take_bounce(request)) return;
      window = {request.window.data(), 1};
    }
  }
  request.run = [](Completion& completion) noexcept {
    auto& self = static_cast<FileRequest&>(completion);
    static_cast<UringFile*>(self.file)->end_round(self);
  };
  const uint64_t offset = request.offset + request.moved;
  const auto parts = static_cast<unsigned>(window.size());
  reactor_.start(request, [&](io_uring_sqe* sqe) {
    switch (request.op) {
      case FileOp::kRead:
        if (parts == 1) {
          io_uring_prep_read(sqe, fd_.get(), window[0].iov_base,
                             static_cast<unsigned>(window[0].iov_len), offset);
        } else {
          io_uring_prep_readv(sqe, fd_.get(), window.data(), parts, offset);
        }
        break;
      case FileOp::kDataSync:
        io_uring_prep_fsync(sqe, fd_.get(), IORING_FSYNC_DATASYNC);
        break;
      case FileOp::kZero:
        if (!writes_zeroes) {
          request.window[0] = {};  // tells end_round() that no memory was written
          io_uring_prep_fallocate(sqe, fd_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                  static_cast<off_t>(offset),
                                  static_cast<off_t>(request.length - request.moved));
          break;
        }
        [[fallthrough]];
      case FileOp::kWrite:
        if (parts == 1) {
          io_uring_prep_write(sqe, fd_.get(), window[0].iov_base,
                              static_cast<unsigned>(window[0].iov_len), offset);
        } else {
          io_uring_prep_writev(sqe, fd_.get(), window.data(), parts, offset);
        }
        sqe->rw_flags = request.durable ? RWF_DSYNC : 0;
        break;
    }
    // A worker may block, so what had no room to run without blocking runs there.
    if (in_worker) sqe->flags |= IOSQE_ASYNC;
  });
}

void UringFile::end_round(FileRequest& request) noexcept {
  const int result = request.result;
  if (result == -EINTR || result == -EAGAIN) {
    start_round(request, true);
    return;
  }
  const bool punched = request.op == FileOp::kZero && request.window[0].iov_base == nullptr;
  if (punched && (result == -EOPNOTSUPP || result == -ENOSYS || result == -EINVAL)) {
    can_punch_ = false;
    start_round(request, false);
  } else if (result < 0) {
    end(request, -result);
  } else if (punched || request.op == FileOp::kDataSync) {
    end(request, 0);
  } else {
    end_transfer(request, static_cast<uint64_t>(result));
  }
}

void UringFile::end_transfer(FileRequest& request, uint64_t moved) noexcept {
  const uint64_t left = request.length - request.moved;
  const uint64_t at = request.skip + request.moved;
  if (request.op == FileOp::kRead && moved == 0) {
    zero_iovecs(request.data, at, left);  // the end of the file
    end(request, 0);
    return;
  }
  if (moved == 0) {
    end(request, EIO);
    return;
  }
  if (request.op == FileOp::kRead && request.bounce != nullptr) {
    copy_to_iovecs(request.bounce, request.data, at, moved);
  }
  request.moved += moved;
  if (direct_ && request.moved < request.length && request.moved % kUnit != 0) {
    // Direct reads end within a unit only at the end of the file.
    if (request.op == FileOp::kRead) {
      zero_iovecs(request.data, request.skip + request.moved, request.length - request.moved);
      end(request, 0);
      return;
    }
    request.moved = align_down<uint64_t>(request.moved, kUnit);
  }
  if (request.moved == request.length) {
    end(request, 0);
  } else {
    start_round(request, false);
  }
}

// Called from completions only, so done() does not run inside submit().
void UringFile::end(FileRequest& request, int error) noexcept {
  request.error = error;
  if (request.bounce != nullptr) {
    free_bounces_.push_back(request.bounce);
    request.bounce = nullptr;
    if (!waiting_.empty()) {
      auto& next = static_cast<FileRequest&>(waiting_.front());
      waiting_.pop_front();
      start_round(next, false);
    }
  }
  request.done(request);
}

}  // namespace viridian::io
