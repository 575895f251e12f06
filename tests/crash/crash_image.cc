#include "tests/crash/crash_image.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <span>

namespace viridian {
namespace {

using Change = io::ChangeLog::Change;
constexpr size_t kSector = 512;
constexpr size_t kMapBytes = size_t{1}
                             << 32;  // of addresses: what is behind the end is not touched

// The host's memory is all that can fail here. By number, past a FileRecorder's calls.
void must(bool good) {
  if (!good) std::abort();
}
void write_at(int fd, uint64_t offset, std::span<const std::byte> bytes) {
  must(::syscall(SYS_pwrite64, fd, bytes.data(), bytes.size(), offset) ==
       static_cast<long>(bytes.size()));
}

}  // namespace

CrashImage::CrashImage(std::string path, std::vector<std::byte> bytes)
    : path_(std::move(path)),
      durable_(std::move(bytes)),
      fd_(::open(path_.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)) {
  must(static_cast<bool>(fd_));
  void* map = ::mmap(nullptr, kMapBytes, PROT_READ, MAP_SHARED | MAP_NORESERVE, fd_.get(), 0);
  must(map != MAP_FAILED);
  map_ = static_cast<const std::byte*>(map);
  restore_all();
}

CrashImage::CrashImage(CrashImage&& other) noexcept
    : path_(std::move(other.path_)),
      durable_(std::move(other.durable_)),
      fd_(std::move(other.fd_)),
      size_(other.size_),
      map_(std::exchange(other.map_, nullptr)),
      touched_(std::move(other.touched_)) {}

CrashImage::~CrashImage() {
  if (map_ != nullptr) ::munmap(const_cast<std::byte*>(map_), kMapBytes);
}

void CrashImage::put(uint64_t offset, std::span<const std::byte> bytes) {
  touched_.push_back({offset, offset + bytes.size()});
  write_at(fd_.get(), offset, bytes);
  size_ = std::max(size_, offset + bytes.size());
}

void CrashImage::zero(uint64_t offset, uint64_t length) {
  const uint64_t end = std::min(offset + length, size_);
  if (offset >= end) return;
  touched_.push_back({offset, end});
  must(::syscall(SYS_fallocate, fd_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset,
                 end - offset) == 0);
}

void CrashImage::set_size(uint64_t size) {
  if (size < size_) touched_.push_back({size, size_});
  if (size != size_) must(::syscall(SYS_ftruncate, fd_.get(), size) == 0);
  size_ = size;
}

void CrashImage::apply(const io::ChangeLog::Operation& operation, Applied how,
                       std::minstd_rand& random) {
  if (how == Applied::kNot) return;
  const bool torn = how == Applied::kTorn;
  switch (operation.change) {
    case Change::kWrite: {
      const std::span<const std::byte> bytes = operation.bytes;
      if (!torn) {
        put(operation.offset, bytes);
        break;
      }
      if (random() % 2 == 0) set_size(std::max(size_, operation.offset + bytes.size()));
      for (size_t at = 0; at < bytes.size(); at += kSector) {
        if (random() % 2 == 0) continue;
        put(operation.offset + at, bytes.subspan(at, std::min(kSector, bytes.size() - at)));
      }
      break;
    }
    case Change::kZero:
      if (!torn) {
        zero(operation.offset, operation.length);
        break;
      }
      for (uint64_t at = 0; at < operation.length; at += kSector) {
        if (random() % 2 == 0)
          zero(operation.offset + at, std::min<uint64_t>(kSector, operation.length - at));
      }
      break;
    case Change::kResize:
      set_size(operation.offset);
      break;
    default:
      break;
  }
}

void CrashImage::make_durable(const io::ChangeLog::Operation& operation) {
  std::minstd_rand none;
  restore();
  apply(operation, Applied::kWhole, none);
  durable_.resize(size_);
  for (const Range& range : touched_) {
    const uint64_t end = std::min<uint64_t>(range.end, size_);
    if (range.begin < end) {
      std::copy(map_ + range.begin, map_ + end,
                durable_.begin() + static_cast<ptrdiff_t>(range.begin));
    }
  }
  touched_.clear();
}

void CrashImage::restore() {
  if (touched_.empty() && size_ == durable_.size()) return;
  must(::syscall(SYS_ftruncate, fd_.get(), durable_.size()) == 0);
  size_ = durable_.size();
  for (const Range& range : touched_) {
    const uint64_t end = std::min<uint64_t>(range.end, size_);
    if (range.begin < end) {
      write_at(fd_.get(), range.begin, std::span(durable_).subspan(range.begin, end - range.begin));
    }
  }
  touched_.clear();
}

void CrashImage::restore_all() {
  must(::syscall(SYS_ftruncate, fd_.get(), 0) == 0);
  must(::syscall(SYS_ftruncate, fd_.get(), durable_.size()) == 0);
  write_at(fd_.get(), 0, durable_);
  size_ = durable_.size();
  touched_.clear();
}

}  // namespace viridian
