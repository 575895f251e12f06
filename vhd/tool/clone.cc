#include "vhd/tool/clone.h"

#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>

#include "base/checked.h"

namespace viridian::vhd::tool {
namespace {

// Elsewhere the kernel would copy page by page, without looking for zeroes, on one processor.
bool copies_on_server(int fd) {
  struct statfs status {};
  if (::fstatfs(fd, &status) != 0) return false;
  const auto type = static_cast<uint64_t>(status.f_type) & 0xffffffffu;
  return type == NFS_SUPER_MAGIC || type == SMB2_SUPER_MAGIC || type == CIFS_SUPER_MAGIC;
}

}  // namespace

uint64_t clone_start(int from, int to, uint64_t length) {
  struct stat status {};
  if (::fstat(from, &status) != 0 || !S_ISREG(status.st_mode) || status.st_blksize <= 0) return 0;
  const bool to_the_end = static_cast<uint64_t>(status.st_size) == length;
  const auto unit = static_cast<uint64_t>(status.st_blksize);
  const uint64_t cloned = to_the_end ? length : align_down(length, unit);
  if (cloned == 0) return 0;
  file_clone_range range{};
  range.src_fd = from;
  range.src_length = cloned;
  // What was cloned ends on a whole page, so that what is left begins on one.
  const uint64_t whole = to_the_end ? length : align_down<uint64_t>(cloned, 4096);
  if (::ioctl(to, FICLONERANGE, &range) == 0) return whole;
  if (!copies_on_server(from) || !copies_on_server(to)) return 0;
  loff_t in = 0;
  loff_t out = 0;
  while (static_cast<uint64_t>(in) < cloned) {
    const uint64_t left = std::min<uint64_t>(cloned - static_cast<uint64_t>(in), 1u << 30);
    if (::copy_file_range(from, &in, to, &out, left, 0) <= 0) break;
  }
  return align_down<uint64_t>(static_cast<uint64_t>(in), 4096);
}

}  // namespace viridian::vhd::tool
