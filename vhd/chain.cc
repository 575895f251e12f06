#include "vhd/chain.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>

#include "vhd/limits.h"
#include "vhd/lock.h"
#include "vhd/open_beneath.h"
#include "vhd/parent_paths.h"
#include "vhd/text.h"

namespace viridian::vhd {
namespace {

// O_NONBLOCK: opening a FIFO must not wait for its other end. It means nothing for disks.
constexpr int kOpenFlags = O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
constexpr int64_t kTimeToleranceSeconds = 3600;  // daylight saving time in old writers

std::string real_path(int fd, const std::string& fallback) {
  std::error_code error;
  const auto path = std::filesystem::read_symlink(fmt::format("/proc/self/fd/{}", fd), error);
  return error ? fallback : path.string();
}

std::string folder_of(const std::string& path) {
  const auto folder = std::filesystem::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

Result<struct stat> status_of(const ChainLink& link) {
  struct stat status {};
  if (::fstat(link.fd.get(), &status) != 0) return fail_errno(link.path, errno);
  return status;
}

bool is_among(std::span<const struct stat> files, const struct stat& one) {
  return std::any_of(files.begin(), files.end(), [&](const struct stat& file) {
    return file.st_dev == one.st_dev && file.st_ino == one.st_ino;
  });
}

struct ParentSearch {
  const ChainLink& child;
  const OpenPolicy& policy;
  Locks locks;
  std::vector<struct stat> in_use;  // of what was tried
};

// Several paths may lead to one file, and each look at a lock that somebody holds takes its time.
Result<void> lock_parent(ChainLink& parent, ParentSearch& search) {
  if (search.locks == Locks::kNone) return {};
  const auto status = status_of(parent);
  if (!status) return Unexpected(status.error());
  if (is_among(search.in_use, *status)) {
    return fail(ErrorKind::kLocked, "{}: the same file", quote(parent.path));
  }
  auto locked = lock_link(parent, quote(parent.path), LockMode::kRead);
  if (!locked && locked.error().kind == ErrorKind::kLocked) search.in_use.push_back(*status);
  return locked;
}

// The parent at one path, if it is the one that the child means.
Result<ChainLink> try_parent(ParentSearch& search, const std::string& path, bool chosen_by_caller) {
  const ChainLink& child = search.child;
  const bool anywhere = chosen_by_caller || search.policy.allow_parent_outside;
  const std::string folder =
      chosen_by_caller ? "." : folder_of(real_path(child.fd.get(), child.path));
  auto fd = open_beneath(folder, path, anywhere ? Beneath::kAnywhere : Beneath::kFolder);
  if (!fd) return Unexpected(std::move(fd).error());
  ChainLink parent{real_path(fd->get(), path), std::move(*fd), {}, {}};
  VIRIDIAN_TRY(lock_parent(parent, search));
  OpenPolicy parent_policy = search.policy;
  parent_policy.parent_override.clear();
  const bool raw = is_null(child.image.parent_unique_id);
  parent_policy.format = raw ? Format::kRaw : Format::kVhd;
  auto image = load_image(parent.fd.get(), quote(parent.path), parent_policy);
  if (!image) return Unexpected(std::move(image).error());
  parent.image = std::move(*image);
  if (!raw && parent.image.unique_id != child.image.parent_unique_id) {
    if (!search.policy.ignore_parent_mismatch) {
      return fail(ErrorKind::kMismatch, "{}: unique_id is not the recorded parent's",
                  quote(parent.path));
    }
    parent.image.warnings.push_back("footer: unique_id is not the one that the child records");
  }
  return parent;
}

Unexpected parent_missing(const ChainLink& child, const std::vector<std::string>& reasons,
                          ErrorKind kind) {
  std::string all;
  for (const std::string& reason : reasons)
    all += (all.empty() ? "" : "; ") + reason;
  return fail(kind,
              "{}: parent {}: not found ({}); give the parent's path (vhdtool: --parent), or "
              "allow parents outside the image's folder (--allow-parent)",
              child.path, quote(child.image.parent_name), all);
}

Result<ChainLink> find_parent(const ChainLink& child, const OpenPolicy& policy, Locks locks) {
  ParentSearch search{child, policy, locks, {}};
  if (!policy.parent_override.empty()) {
    auto parent = try_parent(search, policy.parent_override, true);
    if (!parent) return with_context(child.path + ": parent", std::move(parent).error());
    return parent;
  }
  std::vector<std::string> reasons;
  ErrorKind kind = ErrorKind::kNotFound;
  for (const ParentCandidate& candidate : parent_candidates(child.image, policy)) {
    auto parent = try_parent(search, candidate.path, false);
    if (parent) return parent;
    const ErrorKind why = parent.error().kind;
    if (why != ErrorKind::kNotFound && why != ErrorKind::kInvalidArgument) kind = why;
    reasons.push_back(fmt::format("{} {}", candidate.source, parent.error().message));
  }
  return parent_missing(child, reasons, kind);
}

// What does not stop anybody: copying a file changes its time, and Xen grows children.
void compare(ChainLink& child, const ChainLink& parent, const struct stat& parent_status) {
  const int64_t recorded = int64_t{child.image.parent_time_stamp} + kEpochUnixSeconds;
  if (child.image.parent_time_stamp != 0 &&
      std::abs(recorded - parent_status.st_mtime) > kTimeToleranceSeconds) {
    child.image.warnings.push_back(
        "header: parent_time_stamp differs from the parent's modification time: do not use the "
        "child if the parent was written since");
  }
  if (child.image.size_bytes != parent.image.size_bytes) {
    child.image.warnings.push_back(fmt::format("size: {} bytes, its parent has {}",
                                               child.image.size_bytes, parent.image.size_bytes));
  }
}

}  // namespace

Result<void> lock_link(ChainLink& link, std::string_view name, LockMode mode) {
  auto lock = ImageLock::take(link.fd.get(), name, mode);
  if (!lock) return Unexpected(std::move(lock).error());
  link.lock = *lock;
  return {};
}

Result<void> lock_for_reading(std::span<ChainLink> links) {
  for (ChainLink& link : links)
    VIRIDIAN_TRY(lock_link(link, link.path, LockMode::kRead));
  return {};
}

Result<ChainLink> open_image(const std::string& path, Access access, const OpenPolicy& policy,
                             Locks locks) {
  struct stat status {};
  const bool block = ::stat(path.c_str(), &status) == 0 && S_ISBLK(status.st_mode);
  const bool write = access == Access::kReadWrite;
  // O_EXCL on a block device fails while a file system on it is mounted.
  const int flags = kOpenFlags | (write ? O_RDWR : O_RDONLY) | (block && write ? O_EXCL : 0);
  ChainLink link{path, UniqueFd(::open(path.c_str(), flags)), {}, {}};
  if (!link.fd) return fail_errno(path, errno);
  // Before anything is read: who holds the lock may be changing it.
  if (locks == Locks::kTake) {
    VIRIDIAN_TRY(lock_link(link, path, write ? LockMode::kWrite : LockMode::kRead));
  }
  auto image = load_image(link.fd.get(), path, policy);
  if (!image) return Unexpected(std::move(image).error());
  if (write && image->read_only) {
    return fail(ErrorKind::kUnsupported, "{}: {}; open it read-only", path, image->warnings.back());
  }
  link.image = std::move(*image);
  return link;
}

Result<std::vector<ChainLink>> open_chain(const std::string& path, Access access,
                                          const OpenPolicy& policy, Locks locks) {
  auto leaf = open_image(path, access, policy, locks);
  if (!leaf) return Unexpected(std::move(leaf).error());
  auto last_status = status_of(*leaf);
  if (!last_status) return Unexpected(last_status.error());
  std::vector<struct stat> seen = {*last_status};
  std::vector<ChainLink> chain;
  chain.push_back(std::move(*leaf));
  OpenPolicy parent_policy = policy;
  while (chain.back().image.type == ImageType::kDifferencing) {
    if (chain.size() > kMaxChainDepth) {
      return fail(ErrorKind::kUnsupported, "{}: parents: more than {}; merge some of them", path,
                  kMaxChainDepth);
    }
    auto parent = find_parent(chain.back(), parent_policy, locks);
    if (!parent) return Unexpected(std::move(parent).error());
    parent_policy.parent_override.clear();
    const auto status = status_of(*parent);
    if (!status) return Unexpected(status.error());
    if (is_among(seen, *status)) {
      return fail(ErrorKind::kCorrupt,
                  "{}: parent {}: is the image itself or one of its children, a loop; give the "
                  "right parent",
                  chain.back().path, quote(parent->path));
    }
    compare(chain.back(), *parent, *status);
    seen.push_back(*status);
    chain.push_back(std::move(*parent));
  }
  return chain;
}

}  // namespace viridian::vhd
