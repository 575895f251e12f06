#include "vhd/tool/compare.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "base/checked.h"
#include "vhd/chain.h"
#include "vhd/tool/data_map.h"
#include "vhd/tool/image_source.h"
#include "vhd/tool/interrupt.h"
#include "vhd/tool/json.h"
#include "vhd/tool/progress.h"
#include "vhd/tool/size_text.h"

namespace viridian::vhd::tool {
namespace {

constexpr uint64_t kSector = 512;
constexpr unsigned kThreads = 3;
constexpr size_t kMaxRanges = 1u << 20;  // that are remembered

struct Side {
  std::unique_ptr<ImageSource> source;
  std::vector<Range> ranges;  // all else reads as zeroes
  uint64_t size_bytes = 0;
};

Result<Side> open_side(const std::string& path, const OpenPolicy& policy) {
  Side side;
  auto source = ImageSource::open(path, policy, false);
  if (!source) return Unexpected(std::move(source).error());
  side.source = std::move(*source);
  // Opened once more for its map; the source above holds the locks.
  const auto chain = open_chain(path, Access::kReadOnly, policy);
  if (!chain) return Unexpected(chain.error());
  side.ranges = data_ranges(*chain);
  side.size_bytes = chain->front().image.size_bytes;
  return side;
}

std::vector<Range> union_of(const std::vector<Range>& a, const std::vector<Range>& b) {
  std::vector<Range> all = a;
  all.insert(all.end(), b.begin(), b.end());
  std::sort(all.begin(), all.end(),
            [](const Range& x, const Range& y) { return x.offset < y.offset; });
  std::vector<Range> merged;
  for (const Range& one : all) {
    if (merged.empty() || one.offset > merged.back().offset + merged.back().length) {
      merged.push_back(one);
      continue;
    }
    Range& last = merged.back();
    last.length = std::max(last.offset + last.length, one.offset + one.length) - last.offset;
  }
  return merged;
}

class Comparer {
 public:
  Comparer(const Side& first, const Side& second, bool all)
      : first_(first),
        second_(second),
        all_(all),
        total_(std::max(first.size_bytes, second.size_bytes)),
        walker_(union_of(first.ranges, second.ranges), total_),
        progress_(total_) {}

  Result<void> run() {
    std::vector<std::thread> threads;
    for (unsigned i = 1; i < kThreads; ++i)
      threads.emplace_back([this] { work(); });
    work();
    for (std::thread& thread : threads)
      thread.join();
    if (interrupted()) return fail(ErrorKind::kIo, "interrupted");
    if (failure_) return Unexpected(*failure_);
    std::sort(found_.begin(), found_.end(),
              [](const Range& a, const Range& b) { return a.offset < b.offset; });
    std::vector<Range> merged;
    for (const Range& one : found_) {
      const bool follows =
          !merged.empty() && merged.back().offset + merged.back().length == one.offset;
      if (follows) {
        merged.back().length += one.length;
      } else {
        merged.push_back(one);
      }
    }
    found_ = std::move(merged);
    return {};
  }

  // In order, whole sectors; only those up to the first difference unless all were asked for.
  const std::vector<Range>& found() const { return found_; }
  std::optional<uint64_t> first_byte() const { return first_byte_; }
  uint64_t read_bytes() const { return read_bytes_; }

 private:
  void work() {
    std::vector<std::byte> mine(kPieceBytes);
    std::vector<std::byte> other(kPieceBytes);
    Piece piece;
    while (take(piece)) {
      const auto a = std::span(mine).first(piece.length);
      const auto b = std::span(other).first(piece.length);
      Result<void> done = read(first_, piece.offset, a);
      if (done) done = read(second_, piece.offset, b);
      if (!done) {
        const std::lock_guard guard(mutex_);
        if (!failure_) failure_ = done.error();
        return;
      }
      if (std::memcmp(a.data(), b.data(), a.size()) != 0) note(piece.offset, a, b);
    }
  }

  bool take(Piece& piece) {
    const std::lock_guard guard(mutex_);
    const bool enough = (!all_ && first_byte_) || found_.size() >= kMaxRanges;
    if (failure_ || enough || interrupted()) return false;
    const auto more = walker_.next(piece);
    if (!more) return false;
    read_bytes_ += piece.length;
    progress_.update(piece.offset, read_bytes_);
    return true;
  }

  // What is behind the end of the smaller disk is compared with zeroes.
  static Result<void> read(const Side& side, uint64_t offset, std::span<std::byte> into) {
    const uint64_t there = side.size_bytes - std::min(side.size_bytes, offset);
    const auto head = into.first(std::min<uint64_t>(into.size(), there));
    std::fill(into.begin() + static_cast<ptrdiff_t>(head.size()), into.end(), std::byte{0});
    if (head.empty()) return {};
    return side.source->read_at(offset, head);
  }

  void note(uint64_t offset, std::span<const std::byte> a, std::span<const std::byte> b) {
    const std::lock_guard guard(mutex_);
    const auto at =
        static_cast<uint64_t>(std::mismatch(a.begin(), a.end(), b.begin()).first - a.begin());
    first_byte_ = std::min(first_byte_.value_or(offset + at), offset + at);
    for (size_t from = 0; from < a.size() && found_.size() < kMaxRanges; from += kSector) {
      const size_t length = std::min<size_t>(kSector, a.size() - from);
      if (std::memcmp(a.data() + from, b.data() + from, length) == 0) continue;
      if (!found_.empty() && found_.back().offset + found_.back().length == offset + from) {
        found_.back().length += length;
      } else {
        found_.push_back({offset + from, length});
      }
    }
  }

  const Side& first_;
  const Side& second_;
  const bool all_;
  const uint64_t total_;
  std::mutex mutex_;  // for all that follows
  PieceWalker walker_;
  Progress progress_;
  std::vector<Range> found_;
  std::optional<uint64_t> first_byte_;
  std::optional<Error> failure_;
  uint64_t read_bytes_ = 0;
};

void print_json(const CompareCommand& command, const Side& first, const Side& second,
                const Comparer& comparer, bool same) {
  Json json = {{"schema", kJsonSchema},
               {"first", command.first},
               {"second", command.second},
               {"same", same},
               {"first_size_bytes", first.size_bytes},
               {"second_size_bytes", second.size_bytes},
               {"read_bytes", comparer.read_bytes()},
               {"first_difference", nullptr}};
  if (comparer.first_byte()) json["first_difference"] = *comparer.first_byte();
  if (command.all) {
    json["differences"] = Json::array();
    for (const Range& one : comparer.found())
      json["differences"].push_back({{"start", one.offset}, {"length", one.length}});
  }
  print(json);
}

}  // namespace

Result<void> run_compare(const CompareCommand& command) {
  const auto first = open_side(command.first, command.first_policy);
  if (!first) return Unexpected(first.error());
  const auto second = open_side(command.second, command.second_policy);
  if (!second) return Unexpected(second.error());
  Comparer comparer(*first, *second, command.all);
  VIRIDIAN_TRY(comparer.run());
  const bool sizes_differ = first->size_bytes != second->size_bytes;
  const bool same = !comparer.first_byte() && !(sizes_differ && command.strict);
  if (command.json) {
    print_json(command, *first, *second, comparer, same);
  } else {
    if (command.all) {
      for (const Range& one : comparer.found())
        fmt::print("{:#x} {:#x}\n", one.offset, one.length);
      if (comparer.found().size() >= kMaxRanges) fmt::print("and more\n");
    }
    if (same) fmt::print("{} and {}: the same disk\n", command.first, command.second);
    if (sizes_differ) {
      fmt::print("note: {} has {} bytes, {} has {}{}\n", command.first, first->size_bytes,
                 command.second, second->size_bytes,
                 comparer.first_byte() ? "" : "; the rest of the larger one is zeroes");
    }
  }
  if (same) return {};
  if (!comparer.first_byte()) {
    return fail(ErrorKind::kMismatch, "{}: size: is {} bytes, {} has {}", command.first,
                first->size_bytes, command.second, second->size_bytes);
  }
  return fail(ErrorKind::kMismatch, "{}: content: differs from {} at byte {} of the disk{}",
              command.first, command.second, *comparer.first_byte(),
              command.all ? "" : "; --all lists all places");
}

}  // namespace viridian::vhd::tool
