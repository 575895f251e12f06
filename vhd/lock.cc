#include "vhd/lock.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <thread>

#include "io/unique_fd.h"

namespace viridian::vhd {
namespace {

// The numbers of QEMU's permissions that matter here, and where its two ranges begin.
constexpr unsigned kConsistentRead = 0;
constexpr unsigned kWritePermission = 1;
constexpr unsigned kResize = 3;
constexpr unsigned kPermissions = 4;
constexpr off_t kHeldBase = 100;
constexpr off_t kUnsharedBase = 200;

constexpr int kLooks = 31;

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

void take_away(int fd) {
  struct flock lock = byte_lock(kHeldBase, F_UNLCK);
  lock.l_len = kUnsharedBase + kPermissions - kHeldBase;
  (void)::fcntl(fd, F_OFD_SETLK, &lock);  // taking away what one has cannot fail
}

// 0 or the error: EAGAIN if somebody else's lock is in the way.
int lock_once(int fd, LockMode mode) {
  const bool write = mode == LockMode::kWrite;
  // What we do, and what nobody else may do meanwhile.
  const std::array<bool, kPermissions> held = {true, write, false, write};
  const std::array<bool, kPermissions> unshared = {false, true, false, true};
  static_assert(kConsistentRead == 0 && kWritePermission == 1 && kResize == 3);
  // Everything is told before anything is looked at: of two that come at once, at least one sees
  // the other.
  for (int looking = 0; looking < 2; ++looking) {
    for (unsigned permission = 0; permission < kPermissions; ++permission) {
      int error = 0;
      const off_t held_at = kHeldBase + permission;
      const off_t unshared_at = kUnsharedBase + permission;
      if (held[permission]) {
        error = looking != 0 ? look(fd, unshared_at) : tell(fd, held_at);
      }
      if (error == 0 && unshared[permission]) {
        error = looking != 0 ? look(fd, held_at) : tell(fd, unshared_at);
      }
      if (error == EACCES) error = EAGAIN;
      if (error != 0 && !is_unsupported(error)) return error;
    }
  }
  return 0;
}

}  // namespace

void sleep_10_ms() { std::this_thread::sleep_for(std::chrono::milliseconds(10)); }

struct ImageLock::Held {
  explicit Held(UniqueFd file) : fd(std::move(file)) {}
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;
  ~Held() { take_away(fd.get()); }

  UniqueFd fd;
};

Result<ImageLock> ImageLock::take(int fd, std::string_view name, LockMode mode, void (*pause)()) {
  UniqueFd own(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (!own) return fail_errno(name, errno);
  int error = EAGAIN;
  for (int looks = 0; looks < kLooks && error == EAGAIN; ++looks) {
    if (looks != 0) pause();
    error = lock_once(fd, mode);
    if (error != 0) take_away(fd);  // of two that wait for each other, one comes in
  }
  if (error == EAGAIN) {
    return fail(ErrorKind::kLocked, "{}: in use by another process{}; close it there first", name,
                mode == LockMode::kWrite ? "" : " that writes to it");
  }
  if (error != 0) return fail_errno(name, error);
  return ImageLock(std::make_shared<Held>(std::move(own)));
}

Result<void> refuse_if_locked(const std::string& path, int access, LockMode mode) {
  const UniqueFd fd(::open(path.c_str(), access | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd && errno == ENOENT) return {};
  if (!fd) return fail_errno(path, errno);
  const auto lock = ImageLock::take(fd.get(), path, mode);
  if (!lock) return Unexpected(lock.error());
  return {};
}

void ImageLock::relax() {
  if (!held_) return;
  for (const unsigned permission : {kWritePermission, kResize}) {
    struct flock lock = byte_lock(static_cast<off_t>(kHeldBase + permission), F_UNLCK);
    (void)::fcntl(held_->fd.get(), F_OFD_SETLK, &lock);
  }
}

}  // namespace viridian::vhd
