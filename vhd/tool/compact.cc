// vhdtool compact: an image without the blocks that hold nothing, in place.
#include "vhd/compact.h"

#include <sys/stat.h>

#include "vhd/blocking_disk.h"
#include "vhd/chain.h"
#include "vhd/children.h"
#include "vhd/open_disk.h"
#include "vhd/tool/json.h"
#include "vhd/tool/rewrite_commands.h"
#include "vhd/tool/rewrite_target.h"
#include "vhd/tool/size_text.h"

namespace viridian::vhd::tool {
namespace {

constexpr uint64_t kPieceBytes = 1u << 20;

// What the parents of a differencing image hold. Without them nothing is known to be zero.
class Parents {
 public:
  Result<void> open(io::Reactor& reactor, const CompactCommand& command) {
    const auto chain = open_chain(command.path, Access::kReadOnly, command.policy);
    if (!chain && chain.error().kind != ErrorKind::kNotFound) return Unexpected(chain.error());
    if (!chain) return {};
    const ChainLink& parent = (*chain)[1];
    DiskOptions options;
    options.read_only = true;
    options.cache = io::CacheMode::kWriteback;
    options.policy = command.policy;
    options.policy.parent_override.clear();
    options.policy.format = parent.image.type == ImageType::kRaw ? Format::kRaw : Format::kVhd;
    auto disk = open_disk(reactor, parent.path, options);
    if (!disk) return Unexpected(std::move(disk).error());
    disk_ = std::move(*disk);
    blocking_.emplace(reactor, *disk_);
    buffer_.resize(kPieceBytes);
    return {};
  }
  bool found() const { return disk_ != nullptr; }

  Result<bool> are_zero(uint64_t offset, uint64_t length) {
    if (!disk_) return false;
    const uint64_t size = disk_->info().sector_count * io::kSectorSize;
    const uint64_t end = std::min(offset + length, size);
    for (; offset < end; offset += kPieceBytes) {
      const auto piece = std::span(buffer_).first(std::min(kPieceBytes, end - offset));
      VIRIDIAN_TRY(blocking_->read(offset, piece));
      for (std::byte byte : piece) {
        if (byte != std::byte{0}) return false;
      }
    }
    return true;
  }

 private:
  std::unique_ptr<io::BlockDevice> disk_;
  std::optional<BlockingDisk> blocking_;
  std::vector<std::byte> buffer_;
};

void print_result(const CompactCommand& command, const CompactResult& result, bool all_looked_at) {
  if (command.json) {
    print(Json{{"schema", kJsonSchema},
               {"path", command.path},
               {"old_file_size_bytes", result.old_file_bytes},
               {"file_size_bytes", result.new_file_bytes},
               {"freed_blocks", result.freed_blocks},
               {"moved_bytes", result.moved_bytes},
               {"parent_found", all_looked_at}});
    return;
  }
  fmt::print("{}: {}, was {}; freed {} block{}, moved {}\n", command.path,
             size_text(result.new_file_bytes), size_text(result.old_file_bytes),
             result.freed_blocks, result.freed_blocks == 1 ? "" : "s",
             size_text(result.moved_bytes));
  if (!all_looked_at) {
    fmt::print(
        "note: the parent was not found; blocks of zeroes that may hide its data are kept\n");
  }
}

}  // namespace

Result<void> run_compact(const CompactCommand& command) {
  auto target = open_for_rewriting(command.path, command.policy);
  if (!target) return Unexpected(std::move(target).error());
  Parents parents;
  const bool differencing = target->image.type == ImageType::kDifferencing;
  if (differencing) VIRIDIAN_TRY(parents.open(*target->reactor, command));
  const auto children = find_children(command.path);
  Meter meter;
  const auto result = compact_image(
      *target->file, target->image,
      [&](uint64_t offset, uint64_t length) { return parents.are_zero(offset, length); },
      meter.go_on());
  if (!result) return Unexpected(result.error());
  // The disk is what it was: children that record when it was modified need not hear of this.
  if (children && !children->empty()) {
    const struct timespec times[] = {{0, UTIME_OMIT}, target->file->status().st_mtim};
    (void)::futimens(target->file->fd(), times);
  }
  print_result(command, *result, !differencing || parents.found());
  return {};
}

}  // namespace viridian::vhd::tool
