#include "vhd/merge.h"

#include <algorithm>
#include <cstring>

#include "base/checked.h"

namespace viridian::vhd {
namespace {

constexpr uint64_t kSector = 512;
constexpr uint64_t kWindowBytes = 2u << 20;  // of the disk, that is looked at in one go
constexpr uint64_t kZeroUnit = 4096;
constexpr uint16_t kNobody = 0xffff;

bool is_zero(std::span<const std::byte> bytes) {
  return bytes.empty() || (bytes.front() == std::byte{0} &&
                           std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

class Merge {
 public:
  Merge(std::span<const MergeLayer> layers, BlockingDisk& target, const GoOn& go_on)
      : layers_(layers),
        target_(target),
        go_on_(go_on),
        size_bytes_(layers.front().image.size_bytes),
        owners_(kWindowBytes / kSector),
        buffer_(kWindowBytes) {}

  Result<uint64_t> run() {
    const uint64_t total = allocated_bytes();
    for (uint64_t at = 0; at < size_bytes_; at += kWindowBytes) {
      const uint64_t length = std::min(kWindowBytes, size_bytes_ - at);
      const auto any = find_owners(at, length);
      if (!any) return Unexpected(any.error());
      if (!*any) continue;
      VIRIDIAN_TRY(copy_window(at, length));
      if (go_on_ && !go_on_(std::min(copied_bytes_, total), total)) {
        return fail(ErrorKind::kIo,
                    "interrupted; the chain reads as before, start again to finish it");
      }
    }
    VIRIDIAN_TRY(target_.flush());
    return copied_bytes_;
  }

 private:
  uint64_t allocated_bytes() const {
    uint64_t bytes = 0;
    for (const MergeLayer& layer : layers_) {
      for (uint32_t entry : layer.image.bat)
        bytes += entry == kUnusedEntry ? 0 : layer.image.block_size;
    }
    return bytes;
  }

  // Which layer each sector of the window comes from; false if from none.
  Result<bool> find_owners(uint64_t window, uint64_t length) {
    bool any = false;
    for (size_t i = layers_.size(); i-- > 0;) {
      const Image& image = layers_[i].image;
      const uint64_t end = std::min(window + length, image.size_bytes);
      for (uint64_t at = window; at < end;) {
        const size_t block = at / image.block_size;
        const uint64_t block_end = std::min((block + 1) * uint64_t{image.block_size}, end);
        if (image.bat[block] != kUnusedEntry) {
          if (!any) std::fill(owners_.begin(), owners_.end(), kNobody);
          any = true;
          VIRIDIAN_TRY(note_present(i, block, at, block_end, window));
        }
        at = block_end;
      }
    }
    return any;
  }

  Result<void> note_present(size_t layer, size_t block, uint64_t begin, uint64_t end,
                            uint64_t window) {
    const Image& image = layers_[layer].image;
    const uint64_t first = (begin - block * uint64_t{image.block_size}) / kSector;
    const uint64_t last = first + (end - begin) / kSector;
    bitmap_.resize(div_ceil<uint64_t>(last, 8) - first / 8);
    VIRIDIAN_TRY(read_all(layers_[layer].file, image.bat[block] * kSector + first / 8, bitmap_,
                          "sector bitmap"));
    for (uint64_t sector = first; sector < last; ++sector) {
      const auto bits = std::to_integer<unsigned>(bitmap_[sector / 8 - first / 8]);
      if ((bits >> (7 - sector % 8) & 1) != 0)
        owners_[(begin - window) / kSector + (sector - first)] = static_cast<uint16_t>(layer);
    }
    return {};
  }

  // Reads the window's present sectors and writes them, each run with one request for its zeroes
  // and one for the rest.
  Result<void> copy_window(uint64_t window, uint64_t length) {
    const size_t sectors = length / kSector;
    for (size_t at = 0, to = 0; at < sectors; at = to) {
      for (to = at + 1; to < sectors && (owners_[to] == kNobody) == (owners_[at] == kNobody);)
        ++to;
      if (owners_[at] == kNobody) continue;
      VIRIDIAN_TRY(read_run(window, at, to));
      VIRIDIAN_TRY(write_run(window + at * kSector, std::span(buffer_).first((to - at) * kSector)));
      copied_bytes_ += (to - at) * kSector;
    }
    return {};
  }

  Result<void> read_run(uint64_t window, size_t first, size_t last) {
    for (size_t at = first, to = 0; at < last; at = to) {
      const MergeLayer& layer = layers_[owners_[at]];
      const uint64_t offset = window + at * kSector;
      const size_t block = offset / layer.image.block_size;
      const uint64_t in_block = offset % layer.image.block_size;
      const size_t end = std::min<size_t>(last, at + (layer.image.block_size - in_block) / kSector);
      for (to = at + 1; to < end && owners_[to] == owners_[at];)
        ++to;
      const auto into = std::span(buffer_).subspan((at - first) * kSector, (to - at) * kSector);
      const uint64_t place = layer.image.bat[block] * kSector + layer.image.bitmap_bytes;
      VIRIDIAN_TRY(read_all(layer.file, place + in_block, into, "block"));
    }
    return {};
  }

  Result<void> write_run(uint64_t offset, std::span<std::byte> bytes) {
    const auto zero_at = [&](size_t at) {
      return is_zero(bytes.subspan(at, std::min<size_t>(kZeroUnit, bytes.size() - at)));
    };
    for (size_t at = 0, to = 0; at < bytes.size(); at = to) {
      const bool zero = zero_at(at);
      for (to = at; to < bytes.size() && zero_at(to) == zero;)
        to = std::min<size_t>(to + kZeroUnit, bytes.size());
      VIRIDIAN_TRY(zero ? target_.write_zeroes(offset + at, to - at)
                        : target_.write(offset + at, bytes.subspan(at, to - at)));
    }
    return {};
  }

  std::span<const MergeLayer> layers_;
  BlockingDisk& target_;
  const GoOn& go_on_;
  uint64_t size_bytes_;
  uint64_t copied_bytes_ = 0;
  std::vector<uint16_t> owners_;
  std::vector<std::byte> bitmap_;
  std::vector<std::byte> buffer_;
};

}  // namespace

Result<uint64_t> merge_layers(std::span<const MergeLayer> layers, BlockingDisk& target,
                              const GoOn& go_on) {
  return Merge(layers, target, go_on).run();
}

Result<void> finish_child(io::File& file, const Image& image, uint32_t parent_time_stamp,
                          bool keep_blocks) {
  auto rewriter = Rewriter::open(file, image);
  if (!rewriter) return Unexpected(std::move(rewriter).error());
  if (!keep_blocks) {
    std::vector<size_t> blocks;
    for (size_t block = 0; block < image.bat.size(); ++block) {
      if (image.bat[block] != kUnusedEntry) blocks.push_back(block);
    }
    if (!blocks.empty()) VIRIDIAN_TRY(rewriter->take_batmap());
    VIRIDIAN_TRY(rewriter->free_blocks(blocks));
    VIRIDIAN_TRY(rewriter->put_batmap({}));
  }
  // A writer that leaves the time out, as Windows does since version 8, does not want it.
  if (image.parent_time_stamp != 0 && image.parent_time_stamp != parent_time_stamp) {
    SparseHeader header = rewriter->image().header;
    header.parent_time_stamp = parent_time_stamp;
    VIRIDIAN_TRY(rewriter->change(header, rewriter->image().footer));
  }
  return rewriter->trim();
}

}  // namespace viridian::vhd
