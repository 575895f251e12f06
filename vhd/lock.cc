#include "vhd/lock.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace viridian::vhd {
namespace {

// The numbers of QEMU's permissions that matter here, and where its two ranges begin.
constexpr unsigned kConsistentRead = 0;
constexpr unsigned kWritePermission = 1;
constexpr unsigned kResize = 3;
constexpr off_t kHeldBase = 100;
constexpr off_t kUnsharedBase = 200;

struct flock byte_lock(off_t at, short type) {
  struct flock lock = {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = at;
  lock.l_len = 1;
  return lock;
}

bool is_unsupported(int error) {
  return error == EINVAL || error == ENOLCK || error == EOPNOTSUPP || error == ENOSYS;
}

// A shared lock always succeeds beside other shared locks: it only tells.
int tell(int fd, off_t at) {
  struct flock lock = byte_lock(at, F_RDLCK);
  return ::fcntl(fd, F_OFD_SETLK, &lock) == 0 ? 0 : errno;
}

// EAGAIN if somebody else tells something at `at`.
int look(int fd, off_t at) {
  struct flock lock = byte_lock(at, F_WRLCK);
  if (::fcntl(fd, F_OFD_GETLK, &lock) != 0) return errno;
  return lock.l_type == F_UNLCK ? 0 : EAGAIN;
}

}  // namespace

Result<void> lock_image(int fd, std::string_view name, LockMode mode) {
  const bool write = mode == LockMode::kWrite;
  // What we do, and what nobody else may do meanwhile.
  const std::array<bool, 4> held = {true, write, false, write};
  const std::array<bool, 4> unshared = {false, true, false, true};
  static_assert(kConsistentRead == 0 && kWritePermission == 1 && kResize == 3);
  // Everything is told before anything is looked at: of two that come at once, at least one sees
  // the other.
  for (int looking = 0; looking < 2; ++looking) {
    for (unsigned permission = 0; permission < held.size(); ++permission) {
      int error = 0;
      const off_t held_at = kHeldBase + permission;
      const off_t unshared_at = kUnsharedBase + permission;
      if (held[permission]) {
        error = looking != 0 ? look(fd, unshared_at) : tell(fd, held_at);
      }
      if (error == 0 && unshared[permission]) {
        error = looking != 0 ? look(fd, held_at) : tell(fd, unshared_at);
      }
      if (error == EAGAIN || error == EACCES) {
        return fail(ErrorKind::kLocked, "{}: in use by another process{}; close it there first",
                    name, write ? "" : " that writes to it");
      }
      if (error != 0 && !is_unsupported(error)) return fail_errno(name, error);
    }
  }
  return {};
}

void relax_lock(int fd) {
  for (const unsigned permission : {kWritePermission, kResize}) {
    struct flock lock = byte_lock(static_cast<off_t>(kHeldBase + permission), F_UNLCK);
    (void)::fcntl(fd, F_OFD_SETLK, &lock);  // taking away what one has cannot fail
  }
}

}  // namespace viridian::vhd
