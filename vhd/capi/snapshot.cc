// A snapshot of an open disk: the image is closed, kept, and a child of it opened in its place.
//
// From the first to the last moment this process holds a lock on the image: first the writer's,
// then a reader's, under which the child is made and opened. If something fails before the child is
// open, the child is removed and the image opened again.
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "vhd/capi/handle.h"
#include "vhd/create.h"
#include "vhd/lock.h"

namespace viridian::vhd::capi {
namespace {

// Whether `path` still names the open file: it may have been moved since it was opened.
Outcome<int> same_file(const std::string& path, int fd) {
  struct stat now {};
  struct stat then {};
  if (::stat(path.c_str(), &now) != 0) return refuse(errno, "{}: was moved", path);
  if (::fstat(fd, &then) != 0) return refuse(errno, "{}: cannot be looked at", path);
  if (now.st_dev == then.st_dev && now.st_ino == then.st_ino) return 0;
  return refuse(ESTALE, "{}: is another file than when it was opened", path);
}

}  // namespace

Outcome<int> Handle::open_again(const Failure& why) {
  description_ = {};  // its lock would be in the way
  auto disk = open_disk(*reactor_, path_, options_, &description_);
  if (!disk) {
    return refuse(ENOTCONN, "{}; then {}", why.message, disk.error().message);
  }
  disk_ = std::move(*disk);
  return tl::unexpected<Failure>(why);
}

Outcome<int> Handle::snapshot(const std::string& child) {
  if (auto ok = usable(); !ok) return ok;
  if (first_ != nullptr) {
    return refuse(EOPNOTSUPP, "{}: a second queue takes no snapshot; the disk's handle does",
                  path_);
  }
  if (auto ok = no_queue_is_open(); !ok) return ok;
  if (disk_->info().read_only) return refuse(EROFS, "{}: is open for reading only", path_);
  if (!options_.policy.parent_override.empty()) {
    return refuse(EOPNOTSUPP, "{}: was opened on a parent that it does not name", path_);
  }
  if (auto ok = same_file(path_, description_.leaf.get()); !ok) return ok;
  auto quiet = quiesce();
  settle();
  if (!quiet) return quiet;

  disk_.reset();
  wrote_ = false;
  description_.lock.relax();
  OpenPolicy parent_policy = options_.policy;
  if (const auto made = create_differencing(child, path_, {}, parent_policy); !made) {
    return open_again(failure_of(made.error()).value());
  }
  DiskOptions options = options_;
  options.policy.format = Format::kVhd;
  DiskDescription description;
  auto disk = open_disk(*reactor_, child, options, &description);
  if (!disk) {
    ::unlink(child.c_str());
    return open_again(failure_of(disk.error()).value());
  }
  disk_ = std::move(*disk);
  description_ = std::move(description);
  options_ = options;
  std::error_code error;
  path_ = std::filesystem::absolute(child, error).string();
  return 0;
}

}  // namespace viridian::vhd::capi
