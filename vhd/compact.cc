#include "vhd/compact.h"

#include <algorithm>
#include <cstring>
#include <deque>

#include "base/checked.h"

namespace viridian::vhd {
namespace {

constexpr uint64_t kSector = 512;
constexpr size_t kReadBytes = 1u << 20;
constexpr size_t kEvacuated = 32;       // blocks that make way at a time
constexpr uint64_t kWorthMoving = 256;  // a block moves up by this part of its size at least
constexpr uint64_t kWastedPartOfFile = 200;

bool is_zero(std::span<const std::byte> bytes) {
  return bytes.empty() || (bytes.front() == std::byte{0} &&
                           std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

class Compaction {
 public:
  Compaction(Rewriter& rewriter, const ParentsAreZero& parents, const GoOn& go_on)
      : rewriter_(rewriter), parents_(parents), go_on_(go_on), data_(kReadBytes) {}

  Result<CompactResult> run() {
    CompactResult result;
    result.old_file_bytes = rewriter_.image().file_size_bytes;
    const auto empty = find_empty();
    if (!empty) return Unexpected(empty.error());
    const std::optional<Batmap> batmap = rewriter_.image().batmap;
    if (!empty->empty()) VIRIDIAN_TRY(rewriter_.take_batmap());
    // Its place behind the table is kept.
    const uint64_t map_end = batmap ? batmap->map_offset + batmap->map_bytes : 0;
    if (rewriter_.has_batmap()) rewriter_.used().add(batmap->header_offset, map_end);
    VIRIDIAN_TRY(rewriter_.free_blocks(*empty));
    VIRIDIAN_TRY(fill_gaps());
    if (is_wasteful()) VIRIDIAN_TRY(move_up());
    if (rewriter_.has_batmap()) rewriter_.used().remove(batmap->header_offset, map_end);
    VIRIDIAN_TRY(rewriter_.put_batmap({}));
    VIRIDIAN_TRY(rewriter_.trim());
    result.new_file_bytes = rewriter_.image().footer_offset + kSector;
    result.freed_blocks = empty->size();
    result.moved_bytes = rewriter_.moved_bytes();
    return result;
  }

 private:
  Result<std::vector<size_t>> find_empty() {
    const Image& image = rewriter_.image();
    const uint64_t total = allocated().size() * rewriter_.block_bytes();
    std::vector<size_t> empty;
    uint64_t done = 0;
    for (size_t block = 0; block < image.bat.size(); ++block) {
      if (image.bat[block] == kUnusedEntry) continue;
      const auto holds_nothing = is_empty(block);
      if (!holds_nothing) return Unexpected(holds_nothing.error());
      if (*holds_nothing) empty.push_back(block);
      done += rewriter_.block_bytes();
      if (go_on_ && !go_on_(done, total)) {
        return fail(ErrorKind::kIo, "{}: interrupted; nothing is changed", rewriter_.file().name());
      }
    }
    return empty;
  }

  // Runs of present sectors are zero, and so are the parents' there.
  Result<bool> is_empty(size_t block) {
    const Image& image = rewriter_.image();
    const uint64_t at = image.bat[block] * kSector;
    bitmap_.resize(image.bitmap_bytes);
    VIRIDIAN_TRY(rewriter_.read(at, bitmap_, "sector bitmap"));
    const uint64_t start = block * uint64_t{image.block_size};
    const uint64_t sectors =
        std::min<uint64_t>(image.block_size, image.size_bytes - start) / kSector;
    for (uint64_t from = 0, to = 0; from < sectors; from = to) {
      const bool present = is_present(from);
      for (to = from + 1; to < sectors && is_present(to) == present;)
        ++to;
      if (!present) continue;
      auto zero = is_zero_range(at + image.bitmap_bytes + from * kSector, to - from);
      if (!zero || !*zero) return zero;
      if (image.type != ImageType::kDifferencing) continue;
      auto nothing_hidden = parents_(start + from * kSector, (to - from) * kSector);
      if (!nothing_hidden || !*nothing_hidden) return nothing_hidden;
    }
    return true;
  }
  bool is_present(uint64_t sector) const {
    return (std::to_integer<unsigned>(bitmap_[sector / 8]) >> (7 - sector % 8) & 1) != 0;
  }
  Result<bool> is_zero_range(uint64_t offset, uint64_t sectors) {
    for (uint64_t left = sectors * kSector; left > 0;) {
      const auto piece = std::span(data_).first(std::min<uint64_t>(left, data_.size()));
      VIRIDIAN_TRY(rewriter_.read(offset, piece, "block"));
      if (!is_zero(piece)) return false;
      offset += piece.size();
      left -= piece.size();
    }
    return true;
  }

  struct Placed {
    uint64_t place;
    size_t block;
    friend bool operator<(const Placed& a, const Placed& b) { return a.place < b.place; }
  };
  std::vector<Placed> allocated() const {
    const Image& image = rewriter_.image();
    std::vector<Placed> blocks;
    for (size_t block = 0; block < image.bat.size(); ++block) {
      if (image.bat[block] != kUnusedEntry) blocks.push_back({image.bat[block] * kSector, block});
    }
    std::sort(blocks.begin(), blocks.end());
    return blocks;
  }

  Result<void> fill_gaps() {
    std::vector<Placed> blocks = allocated();
    std::vector<Rewriter::Move> moves;
    uint64_t from = 0;
    while (!blocks.empty()) {
      const uint64_t to = rewriter_.find_place(from);
      if (to >= blocks.back().place) break;
      moves.push_back({blocks.back().block, to});
      blocks.pop_back();
      from = to + rewriter_.block_bytes();
    }
    return rewriter_.move_blocks(moves, moves.size() * rewriter_.block_bytes(), go_on_);
  }

  bool is_wasteful() const {
    const uint64_t end = rewriter_.used().end();
    uint64_t in_use = 0;
    for (const SpaceMap::Range& range : rewriter_.used().overlapping(0, end))
      in_use += range.end - range.begin;
    return end - in_use > end / kWastedPartOfFile;
  }

  // Each block goes directly behind the one before it. One that would overlap itself there makes
  // way first, with those that follow it, to the end of the file.
  Result<void> move_up() {
    SpaceMap metadata;
    for (const SpaceMap::Range& range : metadata_ranges(rewriter_.image()))
      metadata.add(range.begin, range.end);
    const std::vector<Placed> blocks = allocated();
    std::deque<Placed> left(blocks.begin(), blocks.end());
    uint64_t cursor = 0;
    while (!left.empty()) {
      std::vector<Rewriter::Move> moves;
      bool makes_way = false;
      while (!left.empty() && !makes_way) {
        const Placed next = left.front();
        const uint64_t to = rewriter_.find_place_in(metadata, cursor);
        const bool stays = next.place < to + rewriter_.block_bytes() / kWorthMoving + 1;
        if (stays) {
          cursor = std::max(cursor, next.place + rewriter_.block_bytes());
        } else if (rewriter_.used().is_free(to, to + rewriter_.block_bytes())) {
          moves.push_back({next.block, to});
          cursor = to + rewriter_.block_bytes();
        } else {
          makes_way = true;
          continue;
        }
        left.pop_front();
      }
      if (moves.empty() && makes_way) moves = make_way(left);
      VIRIDIAN_TRY(rewriter_.move_blocks(
          moves, rewriter_.moved_bytes() + left.size() * rewriter_.block_bytes(), go_on_));
    }
    return {};
  }

  std::vector<Rewriter::Move> make_way(std::deque<Placed>& left) const {
    std::vector<Rewriter::Move> moves;
    uint64_t to = rewriter_.used().end();
    for (size_t count = std::min(kEvacuated, left.size()); count > 0; --count) {
      const size_t block = left.front().block;
      left.pop_front();
      to = rewriter_.find_place(to);
      moves.push_back({block, to});
      left.push_back({to, block});
      to += rewriter_.block_bytes();
    }
    return moves;
  }

  Rewriter& rewriter_;
  const ParentsAreZero& parents_;
  const GoOn& go_on_;
  std::vector<std::byte> bitmap_;
  std::vector<std::byte> data_;
};

}  // namespace

Result<CompactResult> compact_image(io::File& file, const Image& image,
                                    const ParentsAreZero& parents, const GoOn& go_on) {
  if (image.block_size == 0) {
    return fail(ErrorKind::kInvalidArgument,
                "{}: type: a {} image has no blocks to free; convert it to a dynamic one",
                file.name(), to_string(image.type));
  }
  auto rewriter = Rewriter::open(file, image);
  if (!rewriter) return Unexpected(std::move(rewriter).error());
  return Compaction(*rewriter, parents, go_on).run();
}

}  // namespace viridian::vhd
