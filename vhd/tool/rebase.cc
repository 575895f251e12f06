#include "vhd/tool/rebase.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/checked.h"
#include "io/uring_file.h"
#include "vhd/blocking_disk.h"
#include "vhd/chain.h"
#include "vhd/lock.h"
#include "vhd/open_disk.h"
#include "vhd/reparent.h"
#include "vhd/text.h"
#include "vhd/tool/data_map.h"
#include "vhd/tool/image_source.h"
#include "vhd/tool/interrupt.h"
#include "vhd/tool/json.h"
#include "vhd/tool/map.h"
#include "vhd/tool/progress.h"
#include "vhd/tool/size_text.h"

namespace viridian::vhd::tool {
namespace {

constexpr uint64_t kSector = 512;

Result<void> expect_child(const ChainLink& link) {
  if (link.image.type == ImageType::kDifferencing) return {};
  return fail(ErrorKind::kInvalidArgument,
              "{}: type: is {}, only a differencing image has a parent; make one with snapshot",
              link.path, to_string(link.image.type));
}

bool same_file(int a, int b) {
  struct stat one {};
  struct stat other {};
  return ::fstat(a, &one) == 0 && ::fstat(b, &other) == 0 && one.st_dev == other.st_dev &&
         one.st_ino == other.st_ino;
}

// A parent in whose chain the child is would be a loop.
Result<std::vector<ChainLink>> open_parent(const ChainLink& child, const std::string& path,
                                           const OpenPolicy& policy) {
  auto chain = open_chain(path, Access::kReadOnly, policy);
  if (!chain) return chain;
  for (const ChainLink& link : *chain) {
    if (!same_file(link.fd.get(), child.fd.get())) continue;
    return fail(ErrorKind::kInvalidArgument,
                "{}: parent: is the image itself or one of its children; give another one", path);
  }
  VIRIDIAN_TRY(lock_for_reading(*chain));
  return chain;
}

// The parts of the disk that may differ between the old parents and the new ones, in order.
std::vector<Range> different_ranges(std::span<const ChainLink> old_parents,
                                    std::span<const ChainLink> new_parents, uint64_t size) {
  const auto known = [](const ChainLink& link, std::span<const ChainLink> others) {
    return std::any_of(others.begin(), others.end(), [&](const ChainLink& other) {
      return same_file(link.fd.get(), other.fd.get());
    });
  };
  std::vector<Range> all;
  const auto add = [&](std::span<const ChainLink> chain, std::span<const ChainLink> others) {
    // Common parents at the end say the same on both sides, where nothing above them differs.
    size_t length = chain.size();
    while (length > 0 && known(chain[length - 1], others))
      --length;
    const bool sizes_alike = std::all_of(chain.begin(), chain.end(), [&](const ChainLink& link) {
      return link.image.size_bytes >= size;
    });
    if (!sizes_alike) length = chain.size();
    if (length == 0) return;
    for (const Range& range : data_ranges(chain.first(length)))
      all.push_back(range);
  };
  add(old_parents, new_parents);
  add(new_parents, old_parents);
  std::sort(all.begin(), all.end(),
            [](const Range& a, const Range& b) { return a.offset < b.offset; });
  std::vector<Range> merged;
  for (Range range : all) {
    if (range.offset >= size) break;
    range.length = std::min(range.length, size - range.offset);
    if (!merged.empty() && range.offset <= merged.back().offset + merged.back().length) {
      const uint64_t end =
          std::max(merged.back().offset + merged.back().length, range.offset + range.length);
      merged.back().length = end - merged.back().offset;
    } else {
      merged.push_back(range);
    }
  }
  return merged;
}

// Copies into the child what it shows of its old parents and the new ones do not. The content of
// the disk is the same before, after and on the way, so a cut does no harm.
class Keeper {
 public:
  Keeper(BlockingDisk child, const ImageSource& parent, std::vector<Range> ranges)
      : child_(child), parent_(parent), ranges_(std::move(ranges)), progress_(total()) {}

  // A part of the disk that the child does not have itself.
  Result<void> keep(uint64_t start, uint64_t length) {
    const uint64_t end = start + length;
    while (next_ < ranges_.size() && ranges_[next_].offset + ranges_[next_].length <= start)
      ++next_;
    for (size_t i = next_; i < ranges_.size() && ranges_[i].offset < end; ++i) {
      uint64_t at = align_down(std::max(start, ranges_[i].offset), kSector);
      const uint64_t stop = std::min(end, align_up(ranges_[i].offset + ranges_[i].length, kSector));
      for (; at < stop; at += kPieceBytes) {
        if (interrupted()) {
          return fail(ErrorKind::kIo,
                      "interrupted; the image has its old parent and its content still");
        }
        VIRIDIAN_TRY(keep_piece(at, std::min<uint64_t>(kPieceBytes, stop - at)));
      }
    }
    return {};
  }
  Result<void> finish() { return child_.flush(); }
  uint64_t copied_bytes() const { return copied_; }

 private:
  uint64_t total() const {
    uint64_t sum = 0;
    for (const Range& range : ranges_)
      sum += range.length;
    return std::max<uint64_t>(sum, 1);
  }

  Result<void> keep_piece(uint64_t at, size_t length) {
    mine_.resize(length);
    other_.assign(length, std::byte{0});
    VIRIDIAN_TRY(child_.read(at, mine_));
    const uint64_t size = *parent_.size_bytes();
    if (at < size) {
      const size_t there = std::min<uint64_t>(length, size - at);
      VIRIDIAN_TRY(parent_.read_at(at, std::span(other_).first(there)));
    }
    const auto differs = [&](size_t from) {
      return std::memcmp(mine_.data() + from, other_.data() + from, kSector) != 0;
    };
    for (size_t from = 0; from < length;) {
      if (!differs(from)) {
        from += kSector;
        continue;
      }
      size_t to = from;
      while (to < length && differs(to))
        to += kSector;
      VIRIDIAN_TRY(child_.write(at + from, std::span(mine_).subspan(from, to - from)));
      copied_ += to - from;
      from = to;
    }
    done_ += length;
    progress_.update(done_, done_);
    return {};
  }

  BlockingDisk child_;
  const ImageSource& parent_;
  std::vector<Range> ranges_;
  Progress progress_;
  size_t next_ = 0;
  uint64_t copied_ = 0;
  uint64_t done_ = 0;
  std::vector<std::byte> mine_;
  std::vector<std::byte> other_;
};

OpenPolicy parent_policy(const OpenPolicy& policy, Format format) {
  OpenPolicy parent = policy;
  parent.parent_override.clear();
  parent.format = format;
  return parent;
}

// Returns how many bytes were copied. `child` is locked.
Result<uint64_t> keep_content(const RebaseCommand& command, const ChainLink& child,
                              std::span<const ChainLink> new_parents) {
  auto old_chain = open_chain(command.path, Access::kReadOnly, command.policy);
  if (!old_chain) return Unexpected(old_chain.error());
  const auto old_parents = std::span(*old_chain).subspan(1);
  VIRIDIAN_TRY(lock_for_reading(old_parents));
  const auto reactor = io::Reactor::create();
  if (!reactor) return Unexpected(reactor.error());
  DiskOptions options;
  options.policy = command.policy;
  options.cache = io::CacheMode::kWriteback;
  options.lock = false;  // held by the caller
  const auto disk = open_disk(**reactor, command.path, options);
  if (!disk) return Unexpected(disk.error());
  const auto parent = ImageSource::open(
      command.parent, parent_policy(command.policy, command.parent_format), false);
  if (!parent) return Unexpected(parent.error());
  Keeper keeper(BlockingDisk(**reactor, **disk), **parent,
                different_ranges(old_parents, new_parents, child.image.size_bytes));
  Result<void> kept;
  MapOptions sectors;
  sectors.sectors = true;
  VIRIDIAN_TRY(map_chain(std::span(&old_chain->front(), 1), sectors, [&](const MapExtent& one) {
    if (kept && one.layer == kNoLayer) kept = keeper.keep(one.start, one.length);
  }));
  if (!kept) return with_context(command.path, std::move(kept).error());
  VIRIDIAN_TRY(keeper.finish());
  return keeper.copied_bytes();
}

// Writes the record into the image as it is now. `lock` keeps others away.
Result<void> record(const std::string& path, const OpenPolicy& policy, const ParentRecord& parent) {
  OpenPolicy own = policy;
  own.parent_override = parent.path;  // the image may name no parent at all
  auto link = open_image(path, Access::kReadWrite, own);
  if (!link) return Unexpected(std::move(link).error());
  const auto reactor = io::Reactor::create();
  if (!reactor) return Unexpected(reactor.error());
  const auto file = io::UringFile::adopt(**reactor, std::move(link->fd), path,
                                         {false, io::CacheMode::kWriteback});
  if (!file) return Unexpected(file.error());
  if ((*file)->is_block_device()) {
    return fail(ErrorKind::kUnsupported,
                "{}: is a block device, where no header can be replaced safely; copy it to a file",
                path);
  }
  return write_parent(**file, link->image, parent);
}

Result<ParentRecord> record_of(const std::string& child, const ChainLink& parent,
                               const OpenPolicy& policy) {
  auto record = look_at_parent(child, parent.path, policy);
  if (record && parent.image.type == ImageType::kRaw) record->unique_id = {};
  return record;
}

void print_result(const std::string& path, const ParentRecord& parent, bool json,
                  uint64_t copied_bytes) {
  if (json) {
    print(Json{{"schema", kJsonSchema},
               {"path", path},
               {"parent", parent.path},
               {"relative_path", parent.relative_path},
               {"parent_unique_id", id_text(parent.unique_id)},
               {"copied_bytes", copied_bytes}});
    return;
  }
  fmt::print("{}: parent is {}", path, quote(parent.relative_path));
  if (copied_bytes != 0) fmt::print("; copied {} from the old one", size_text(copied_bytes));
  fmt::print("\n");
  if (parent.relative_path.starts_with("..")) {
    fmt::print(
        "note: the parent is outside the image's folder: programs open it only where they "
        "are told to (vhdtool: --allow-parent-outside)\n");
  }
}

// For images that build on this one, and go by its time: its content is the same.
void keep_time(const ChainLink& link, const struct stat& before) {
  const timespec times[2] = {{0, UTIME_OMIT}, before.st_mtim};
  (void)::futimens(link.fd.get(), times);
}

Result<struct stat> status_of(const ChainLink& link) {
  struct stat status {};
  if (::fstat(link.fd.get(), &status) != 0) return fail_errno(link.path, errno);
  return status;
}

// Opens the image for writing and keeps others from it.
Result<ChainLink> open_locked_child(const std::string& path, const OpenPolicy& policy) {
  auto link = open_image(path, Access::kReadWrite, policy);
  if (!link) return link;
  VIRIDIAN_TRY(expect_child(*link));
  VIRIDIAN_TRY(lock_link(*link, path, LockMode::kWrite));
  return link;
}

}  // namespace

Result<void> run_rebase(const RebaseCommand& command) {
  OpenPolicy own = command.policy;
  if (own.parent_override.empty() && command.unsafe) own.parent_override = command.parent;
  const auto child = open_locked_child(command.path, own);
  if (!child) return Unexpected(child.error());
  const auto before = status_of(*child);
  if (!before) return Unexpected(before.error());
  const OpenPolicy policy = parent_policy(command.policy, command.parent_format);
  const auto parents = open_parent(*child, command.parent, policy);
  if (!parents) return Unexpected(parents.error());
  const auto parent = record_of(command.path, parents->front(), policy);
  if (!parent) return Unexpected(parent.error());
  uint64_t copied_bytes = 0;
  if (!command.unsafe) {
    const auto kept = keep_content(command, *child, *parents);
    if (!kept) return Unexpected(kept.error());
    copied_bytes = *kept;
  }
  VIRIDIAN_TRY(record(command.path, command.policy, *parent));
  if (!command.unsafe) keep_time(*child, *before);
  print_result(command.path, *parent, command.json, copied_bytes);
  return {};
}

Result<void> run_relink(const RelinkCommand& command) {
  OpenPolicy own = command.policy;
  if (!command.parent.empty()) own.parent_override = command.parent;
  const auto child = open_locked_child(command.path, own);
  if (!child) return Unexpected(child.error());
  const auto before = status_of(*child);
  if (!before) return Unexpected(before.error());
  // By the image's own record: the id has to be the one that it names.
  const auto chain = open_chain(command.path, Access::kReadOnly, own);
  if (!chain) return Unexpected(chain.error());
  const ChainLink& found = (*chain)[1];
  const bool raw = found.image.type == ImageType::kRaw;
  auto parent = record_of(command.path, found,
                          parent_policy(command.policy, raw ? Format::kRaw : Format::kVhd));
  if (!parent) return Unexpected(parent.error());
  VIRIDIAN_TRY(record(command.path, command.policy, *parent));
  keep_time(*child, *before);
  print_result(command.path, *parent, command.json, 0);
  return {};
}

}  // namespace viridian::vhd::tool
