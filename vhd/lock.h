// Locks on an open image that other programs on this host see: open-file-description locks on the
// byte ranges that QEMU uses, so that qemu-img and a QEMU guest respect ours and we respect theirs.
//
// QEMU names what an opener does ("permissions") and what it does not let others do at the same
// time. Byte 100 + p is locked, shared, by who has permission p; byte 200 + p by who does not share
// it. Who wants p looks for a lock at 200 + p, and the other way round. Advisory; control path.
//
// A lock is taken away, not left to end with the file's last descriptor: the kernel may still hold
// the file for a request on a ring that has just completed. A process that is killed cannot do so,
// and thus who finds a lock in the way looks again for a moment.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace viridian::vhd {

enum class LockMode : uint8_t {
  kRead,   // reads; lets others read, and nobody write: for parents and read-only disks
  kWrite,  // reads and writes; lets nobody else write, nor read who wants a stable image
};

void sleep_10_ms();

// A share of a lock, or of none; with the last share the lock is taken away.
class ImageLock {
 public:
  ImageLock() = default;
  // For the open file description of `fd`, which has no lock yet. kLocked if another one holds,
  // and after 30 pauses still holds, what does not go with `mode`. File systems without such locks
  // are taken as they are. `pause` is called between two looks.
  static Result<ImageLock> take(int fd, std::string_view name, LockMode mode,
                                void (*pause)() = sleep_10_ms);

  // Turns a kWrite lock into a kRead one, without a moment in between.
  void relax();

 private:
  struct Held;
  explicit ImageLock(std::shared_ptr<Held> held) : held_(std::move(held)) {}

  std::shared_ptr<Held> held_;
};

// kLocked if somebody else uses the file, opened with `access` of open(2), in a way that does not
// go with `mode`. A file that is not there is free.
Result<void> refuse_if_locked(const std::string& path, int access, LockMode mode);

}  // namespace viridian::vhd
