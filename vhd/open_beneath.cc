#include "vhd/open_beneath.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "vhd/text.h"

namespace viridian::vhd {
namespace {

Unexpected outside(const std::string& path) {
  return fail(ErrorKind::kInvalidArgument, "{}: is outside the child's folder", quote(path));
}

// Only a handle: nothing is opened by it.
Result<UniqueFd> find(const std::string& folder, std::string path, Beneath where) {
  constexpr int kFlags = O_PATH | O_CLOEXEC;
  if (where == Beneath::kAnywhere) {
    if (!path.starts_with('/')) path = folder + "/" + path;
    UniqueFd fd(::open(path.c_str(), kFlags));
    if (!fd) return fail_errno(quote(path), errno);
    return fd;
  }
  if (path.starts_with('/')) {
    if (!path.starts_with(folder + "/")) return outside(path);
    path.erase(0, path.find_first_not_of('/', folder.size()));
  }
  const UniqueFd folder_fd(::open(folder.c_str(), kFlags | O_DIRECTORY));
  if (!folder_fd) return fail_errno(folder, errno);
  open_how how{};
  how.flags = static_cast<uint64_t>(kFlags);
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  // The C library of Debian 12 has no openat2().
  UniqueFd fd(
      static_cast<int>(::syscall(SYS_openat2, folder_fd.get(), path.c_str(), &how, sizeof(how))));
  if (fd) return fd;
  if (errno == EXDEV) return outside(path);
  return fail_errno(quote(path), errno);
}

}  // namespace

Result<UniqueFd> open_beneath(const std::string& folder, const std::string& path, Beneath where) {
  const auto handle = find(folder, path, where);
  if (!handle) return Unexpected(handle.error());
  struct stat status {};
  if (::fstat(handle->get(), &status) != 0) return fail_errno(quote(path), errno);
  if (!S_ISREG(status.st_mode) && !(where == Beneath::kAnywhere && S_ISBLK(status.st_mode))) {
    return fail(ErrorKind::kInvalidArgument, "{}: is no regular file", quote(path));
  }
  // The very thing that was looked at, whatever the path leads to by now.
  const std::string same = fmt::format("/proc/self/fd/{}", handle->get());
  UniqueFd fd(::open(same.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd) return fail_errno(quote(path), errno);
  return fd;
}

}  // namespace viridian::vhd
