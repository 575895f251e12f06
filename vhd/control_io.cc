#include "vhd/control_io.h"

#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace viridian::vhd {

Result<FileView> view_file(int fd, std::string_view name) {
  FileView file;
  file.fd = fd;
  file.name = name;
  struct stat status {};
  if (::fstat(fd, &status) != 0) return fail_errno(name, errno);
  if (S_ISBLK(status.st_mode)) {
    file.is_block_device = true;
    if (::ioctl(fd, BLKGETSIZE64, &file.size_bytes) != 0) return fail_errno(name, errno);
  } else if (S_ISREG(status.st_mode)) {
    file.size_bytes = static_cast<uint64_t>(status.st_size);
  } else {
    return fail(ErrorKind::kInvalidArgument,
                "{}: is no regular file and no block device; give the path of an image", name);
  }
  return file;
}

namespace {

void apply_patches(const FileView& file, uint64_t offset, std::span<std::byte> into) {
  for (const Patch& patch : *file.patches) {
    const uint64_t begin = std::max(offset, patch.offset);
    const uint64_t end = std::min(offset + into.size(), patch.offset + patch.bytes.size());
    if (begin >= end) continue;
    std::memcpy(into.data() + (begin - offset), patch.bytes.data() + (begin - patch.offset),
                end - begin);
  }
}

Result<void> read_file(const FileView& file, uint64_t offset, std::span<std::byte> into,
                       std::string_view what) {
  while (!into.empty()) {
    const ssize_t n = ::pread(file.fd, into.data(), into.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno(fmt::format("{}: reading the {}", file.name, what), errno);
    if (n == 0 && file.patches != nullptr) {
      std::fill(into.begin(), into.end(), std::byte{0});
      return {};
    }
    if (n == 0) {
      return fail(ErrorKind::kIo,
                  "{}: ends inside the {} at offset {}; it shrank while it was read", file.name,
                  what, offset);
    }
    into = into.subspan(static_cast<size_t>(n));
    offset += static_cast<uint64_t>(n);
  }
  return {};
}

}  // namespace

Result<void> read_exact(const FileView& file, uint64_t offset, std::span<std::byte> into,
                        std::string_view what) {
  VIRIDIAN_TRY(read_file(file, offset, into, what));
  if (file.patches != nullptr) apply_patches(file, offset, into);
  return {};
}

Result<void> write_exact(const FileView& file, uint64_t offset, std::span<const std::byte> from,
                         std::string_view what) {
  while (!from.empty()) {
    const ssize_t n = ::pwrite(file.fd, from.data(), from.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno(fmt::format("{}: writing the {}", file.name, what), errno);
    from = from.subspan(static_cast<size_t>(n));
    offset += static_cast<uint64_t>(n);
  }
  return {};
}

Unexpected damaged_because(const FileView& file, const Field& field, std::string text) {
  std::string line =
      fmt::format("{}: {} {}; see what can be mended (vhdtool check), or restore a good copy",
                  file.name, field.name, text);
  if (file.problems != nullptr) {
    file.problems->push_back({field.name, field.offset, std::move(text)});
  }
  return Unexpected(Error{ErrorKind::kCorrupt, std::move(line)});
}

}  // namespace viridian::vhd
