#include "vhd/tool/rewrite_target.h"

#include <filesystem>

#include "vhd/chain.h"
#include "vhd/children.h"
#include "vhd/lock.h"
#include "vhd/text.h"
#include "vhd/tool/interrupt.h"

namespace viridian::vhd::tool {

Result<RewriteTarget> open_for_rewriting(const std::string& path, const OpenPolicy& policy) {
  auto link = open_image(path, Access::kReadWrite, policy);
  if (!link) return Unexpected(std::move(link).error());
  VIRIDIAN_TRY(lock_link(*link, path, LockMode::kWrite));
  // What was read before the lock was held may have been changed by who held it.
  auto image = load_image(link->fd.get(), path, policy);
  if (!image) return Unexpected(std::move(image).error());
  RewriteTarget target;
  auto reactor = io::Reactor::create();
  if (!reactor) return Unexpected(reactor.error());
  target.reactor = std::move(*reactor);
  target.lock = std::move(link->lock);
  auto file = io::UringFile::adopt(*target.reactor, std::move(link->fd), path,
                                   {false, io::CacheMode::kWriteback});
  if (!file) return Unexpected(std::move(file).error());
  if ((*file)->is_block_device()) {
    return fail(ErrorKind::kUnsupported,
                "{}: is a block device, whose size is fixed; convert the image to a file", path);
  }
  target.file = std::move(*file);
  target.image = std::move(*image);
  return target;
}

Result<void> refuse_if_parent(const std::string& path, const std::string& what_happens,
                              const std::string& but_not) {
  const auto children = find_children(path);
  if (!children) return Unexpected(children.error());
  std::error_code error;
  const std::filesystem::path excepted =
      but_not.empty() ? std::filesystem::path{} : std::filesystem::canonical(but_not, error);
  std::string names;
  for (const std::string& child : *children) {
    if (child == excepted) continue;
    names += (names.empty() ? "" : ", ") + quote(std::filesystem::path(child).filename().string());
  }
  if (names.empty()) return {};
  return fail(ErrorKind::kInvalidArgument, "{}: is the parent of {}: {}; --force does it anyway",
              path, names, what_happens);
}

GoOn Meter::go_on() {
  return [this](uint64_t done_bytes, uint64_t total_bytes) {
    if (!progress_ || total_bytes != total_bytes_) progress_.emplace(total_bytes);
    total_bytes_ = total_bytes;
    progress_->update(done_bytes, done_bytes);
    return !interrupted();
  };
}

}  // namespace viridian::vhd::tool
