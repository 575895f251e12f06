// An image and its parents, found, opened and validated: what a differencing disk is made of.
//
// A child names its parent in several ways; each is tried until one leads to a file with the
// recorded unique id: the caller's override, W2ru (relative to the child), the child's folder with
// the parent's file name, MacX, W2ku, the unicode name. A parent stays inside its child's folder
// unless the policy says otherwise. Control path, any thread.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "io/unique_fd.h"
#include "vhd/image.h"
#include "vhd/lock.h"

namespace viridian::vhd {

struct ChainLink {
  std::string path;
  UniqueFd fd;  // the leaf's as asked for, a parent's read-only
  Image image;
  ImageLock lock;
};

enum class Access : uint8_t { kReadOnly, kReadWrite };
// kTake: each image is locked, the leaf as it is accessed and parents for reading, before it is
// read. See lock.h.
enum class Locks : uint8_t { kNone, kTake };

// The leaf first, the last one not differencing. Sizes may differ: what lies beyond a smaller
// parent reads as zeroes.
Result<std::vector<ChainLink>> open_chain(const std::string& path, Access access,
                                          const OpenPolicy& policy = {},
                                          Locks locks = Locks::kNone);

// Only the image itself, without its parents.
Result<ChainLink> open_image(const std::string& path, Access access, const OpenPolicy& policy = {},
                             Locks locks = Locks::kNone);

// Locks an image that was opened without a lock; `name` is for the message.
Result<void> lock_link(ChainLink& link, std::string_view name, LockMode mode);
// The same for reading, each of `links`.
Result<void> lock_for_reading(std::span<ChainLink> links);

}  // namespace viridian::vhd
