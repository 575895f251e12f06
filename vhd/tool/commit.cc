// vhdtool commit: what differencing images changed becomes part of an image below them.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "vhd/chain.h"
#include "vhd/merge.h"
#include "vhd/open_disk.h"
#include "vhd/resize.h"
#include "vhd/tool/json.h"
#include "vhd/tool/rewrite_commands.h"
#include "vhd/tool/rewrite_target.h"
#include "vhd/tool/size_text.h"

namespace viridian::vhd::tool {
namespace {

Result<struct stat> status_of(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return fail_errno(path, errno);
  return status;
}

class Commit {
 public:
  explicit Commit(const CommitCommand& command) : command_(command) {}

  Result<void> run() {
    VIRIDIAN_TRY(find_images());
    VIRIDIAN_TRY(refuse_other_children());
    VIRIDIAN_TRY(open_layers());
    VIRIDIAN_TRY(grow_target());
    VIRIDIAN_TRY(merge());
    // From here on the target is durable and has all; the child adds nothing to it.
    if (command_.delete_after) {
      VIRIDIAN_TRY(remove_layers());
    } else {
      VIRIDIAN_TRY(finish_layers());
    }
    print_result();
    return {};
  }

 private:
  const std::string& target_path() const { return chain_[target_].path; }

  Result<void> find_images() {
    auto chain = open_chain(command_.path, Access::kReadOnly, command_.policy);
    if (!chain) return Unexpected(std::move(chain).error());
    chain_ = std::move(*chain);
    if (chain_.size() == 1) {
      return fail(ErrorKind::kInvalidArgument,
                  "{}: type: is {}, an image without a parent to commit to", command_.path,
                  to_string(chain_.front().image.type));
    }
    if (command_.into.empty()) return {};
    const auto wanted = status_of(command_.into);
    if (!wanted) return Unexpected(wanted.error());
    for (target_ = 1; target_ < chain_.size(); ++target_) {
      const auto status = status_of(target_path());
      if (status && status->st_dev == wanted->st_dev && status->st_ino == wanted->st_ino) return {};
    }
    return fail(ErrorKind::kInvalidArgument,
                "{}: is no parent of {}; 'vhdtool info --chain' shows them", command_.into,
                command_.path);
  }

  Result<void> refuse_other_children() const {
    if (command_.force) return {};
    for (size_t i = 1; i <= target_; ++i) {
      VIRIDIAN_TRY(refuse_if_parent(chain_[i].path, "what it reads would change under it",
                                    chain_[i - 1].path));
    }
    if (!command_.delete_after) return {};
    return refuse_if_parent(chain_.front().path, "it would lose its parent");
  }

  // The layers above the target, which nobody else writes from here on.
  Result<void> open_layers() {
    for (size_t i = 0; i < target_; ++i) {
      OpenPolicy policy = command_.policy;
      if (i > 0) policy = parent_policy(i);
      auto layer = open_for_rewriting(chain_[i].path, policy);
      if (!layer) return Unexpected(std::move(layer).error());
      layers_.push_back(std::move(*layer));
    }
    return {};
  }

  OpenPolicy parent_policy(size_t index) const {
    OpenPolicy policy = command_.policy;
    policy.parent_override.clear();
    const bool raw = chain_[index].image.type == ImageType::kRaw;
    policy.format = raw ? Format::kRaw : Format::kVhd;
    return policy;
  }

  // A child may be larger than its parent; a merged disk has to have all of it.
  Result<void> grow_target() {
    const uint64_t size = layers_.front().image.size_bytes;
    if (chain_[target_].image.size_bytes >= size) return {};
    auto target = open_for_rewriting(target_path(), parent_policy(target_));
    if (!target) return Unexpected(std::move(target).error());
    Meter meter;
    const auto grown = resize_image(*target->file, target->image, size, meter.go_on());
    if (!grown) return Unexpected(grown.error());
    return {};
  }

  Result<void> merge() {
    const auto reactor = io::Reactor::create();
    if (!reactor) return Unexpected(reactor.error());
    DiskOptions options;
    options.cache = io::CacheMode::kWriteback;
    options.policy = parent_policy(target_);
    options.policy.write_parent = true;  // refuse_other_children() has asked
    auto disk = open_disk(**reactor, target_path(), options);
    if (!disk) return Unexpected(std::move(disk).error());
    BlockingDisk target(**reactor, **disk);
    std::vector<MergeLayer> layers;
    for (const RewriteTarget& layer : layers_)
      layers.push_back({*layer.file, layer.image});
    Meter meter;
    const auto copied = merge_layers(layers, target, meter.go_on());
    if (!copied) return with_context(target_path(), copied.error());
    copied_bytes_ = *copied;
    return {};
  }

  Result<void> finish_layers() {
    const auto status = status_of(target_path());
    if (!status) return Unexpected(status.error());
    const int64_t modified = status->st_mtime - kEpochUnixSeconds;
    const auto time_stamp = modified < 0 ? 0 : static_cast<uint32_t>(modified);
    // With images between them and the target, the child's blocks go on hiding theirs.
    const bool keep = command_.keep || target_ > 1;
    RewriteTarget& last = layers_.back();
    return finish_child(*last.file, last.image, time_stamp, keep);
  }

  // The leaf first, so that what is left is a chain at each moment.
  Result<void> remove_layers() const {
    for (size_t i = 0; i < target_; ++i) {
      const std::string& path = chain_[i].path;
      if (::unlink(path.c_str()) != 0) return fail_errno(path, errno);
      const std::string folder = std::filesystem::path(path).parent_path().string();
      const UniqueFd fd(::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY));
      if (!fd || ::fsync(fd.get()) != 0) return fail_errno(path, errno);
    }
    return {};
  }

  void print_result() const {
    const bool kept = command_.keep || target_ > 1;
    const char* after = command_.delete_after ? "deleted" : kept ? "kept" : "emptied";
    if (command_.json) {
      print(Json{{"schema", kJsonSchema},
                 {"path", command_.path},
                 {"into", target_path()},
                 {"layers", target_},
                 {"copied_bytes", copied_bytes_},
                 {"child", after}});
      return;
    }
    fmt::print("{}: committed to {}, copied {}; the child is {}\n", command_.path, target_path(),
               size_text(copied_bytes_), after);
    if (target_ > 1 && !command_.delete_after) {
      fmt::print("note: the {} image{} between them can be used through the child only\n",
                 target_ - 1, target_ == 2 ? "" : "s");
    }
  }

  const CommitCommand& command_;
  std::vector<ChainLink> chain_;
  size_t target_ = 1;  // its index
  std::vector<RewriteTarget> layers_;
  uint64_t copied_bytes_ = 0;
};

}  // namespace

Result<void> run_commit(const CommitCommand& command) { return Commit(command).run(); }

}  // namespace viridian::vhd::tool
