#include "vhd/tool/in_use.h"

#include <fcntl.h>

#include <cerrno>

#include "io/unique_fd.h"
#include "vhd/lock.h"

namespace viridian::vhd::tool {
namespace {

Result<void> try_lock(const std::string& path, int flags, LockMode mode) {
  const UniqueFd fd(::open(path.c_str(), flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd && errno == ENOENT) return {};
  if (!fd) return fail_errno(path, errno);
  auto lock = ImageLock::take(fd.get(), path, mode);
  if (!lock) return Unexpected(std::move(lock).error());
  return {};
}

}  // namespace

Result<void> refuse_if_in_use(const std::string& path) {
  return try_lock(path, O_RDWR, LockMode::kWrite);
}

Result<void> refuse_if_written(const std::string& path) {
  return try_lock(path, O_RDONLY, LockMode::kRead);
}

}  // namespace viridian::vhd::tool
