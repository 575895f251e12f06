// Locks on an open image that other programs on this host see: open-file-description locks on the
// byte ranges that QEMU uses, so that qemu-img and a QEMU guest respect ours and we respect theirs.
//
// QEMU names what an opener does ("permissions") and what it does not let others do at the same
// time. Byte 100 + p is locked, shared, by who has permission p; byte 200 + p by who does not share
// it. Who wants p looks for a lock at 200 + p, and the other way round. The locks live as long as
// the descriptor. Advisory; control path.
#pragma once

#include <string_view>

#include "base/result.h"

namespace viridian::vhd {

enum class LockMode : uint8_t {
  kRead,   // reads; lets others read, and nobody write: for parents and read-only disks
  kWrite,  // reads and writes; lets nobody else write, nor read who wants a stable image
};

// kLocked if another open file description holds what does not go with `mode`. File systems
// without such locks are taken as they are.
Result<void> lock_image(int fd, std::string_view name, LockMode mode);

// Turns the kWrite lock of a descriptor into a kRead one, without a moment in between.
void relax_lock(int fd);

}  // namespace viridian::vhd
