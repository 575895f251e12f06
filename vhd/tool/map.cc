#include "vhd/tool/map.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/checked.h"
#include "vhd/control_io.h"

namespace viridian::vhd::tool {
namespace {

constexpr uint64_t kSector = 512;

// A part of the disk that one layer answers alike: it has it, or it has not.
struct Part {
  uint64_t end = 0;
  bool present = false;
  bool zero = false;
  uint64_t offset = 0;
};

class LayerMap {
 public:
  explicit LayerMap(const ChainLink& link) : link_(link), image_(link.image) {}

  Result<void> open() {
    auto file = view_file(link_.fd.get(), link_.path);
    if (!file) return Unexpected(file.error());
    file_ = std::move(*file);
    return {};
  }
  bool is_sparse() const {
    return image_.type == ImageType::kDynamic || image_.type == ImageType::kDifferencing;
  }

  // What the layer knows of the disk from `at` on.
  Result<Part> part_at(uint64_t at, bool sectors) {
    if (at >= image_.size_bytes) return Part{~uint64_t{0}, false, true, 0};
    if (!is_sparse()) return flat_part(at);
    const uint64_t block = at / image_.block_size;
    const uint64_t begin = block * image_.block_size;
    Part part;
    part.end = std::min(begin + image_.block_size, image_.size_bytes);
    if (image_.bat[block] == kUnusedEntry) return part;
    part.present = true;
    part.offset = image_.bat[block] * kSector + image_.bitmap_bytes + (at - begin);
    if (!sectors) return part;
    VIRIDIAN_TRY(read_bitmap(block));
    const uint64_t first = (at - begin) / kSector;
    const uint64_t limit = div_ceil(part.end - begin, kSector);
    part.present = bit(first);
    uint64_t last = first + 1;
    while (last < limit && bit(last) == part.present)
      ++last;
    part.end = begin + last * kSector;
    return part;
  }

 private:
  bool bit(uint64_t index) const {
    return (std::to_integer<unsigned>(bitmap_[index / 8]) >> (7 - index % 8) & 1) != 0;
  }

  Result<void> read_bitmap(uint64_t block) {
    if (block == bitmap_block_ && !bitmap_.empty()) return {};
    bitmap_.resize(image_.bitmap_bytes);
    bitmap_block_ = block;
    return read_exact(file_, image_.bat[block] * kSector, bitmap_, "sector bitmap");
  }

  // A raw or fixed disk: data and holes of its file.
  Part flat_part(uint64_t at) {
    Part part = {image_.size_bytes, true, false, at};
    if (at < data_begin_ || at >= hole_begin_) {
      const off_t data = ::lseek(file_.fd, static_cast<off_t>(at), SEEK_DATA);
      const bool only_hole = data < 0 && errno == ENXIO;
      const off_t hole = data < 0 ? -1 : ::lseek(file_.fd, data, SEEK_HOLE);
      data_begin_ = only_hole ? image_.size_bytes : data < 0 ? at : static_cast<uint64_t>(data);
      hole_begin_ = hole <= data ? image_.size_bytes : static_cast<uint64_t>(hole);
      // File systems have finer steps than sectors; a sector with any data is data.
      data_begin_ = std::max(at, align_down(data_begin_, kSector));
      hole_begin_ = align_up(hole_begin_, kSector);
    }
    part.zero = at < data_begin_;
    part.end = std::min(part.zero ? data_begin_ : hole_begin_, image_.size_bytes);
    return part;
  }

  const ChainLink& link_;
  const Image& image_;
  FileView file_;
  std::vector<std::byte> bitmap_;
  uint64_t bitmap_block_ = 0;
  uint64_t data_begin_ = 1;  // what the file system said last: data from here, and empty
  uint64_t hole_begin_ = 0;  // to here
};

class Merger {
 public:
  Merger(const MapOptions& options, const MapSink& sink) : options_(options), sink_(sink) {}

  void add(const MapExtent& one) {
    if (open_ && alike(one)) {
      const bool follows = last_.layer == kNoLayer || one.offset == file_end_;
      if (follows || !options_.split) {
        last_.length += one.length;
        last_.pieces += !follows;
        file_end_ = one.offset + one.length;
        return;
      }
    }
    finish();
    last_ = one;
    file_end_ = one.offset + one.length;
    open_ = true;
  }
  void finish() {
    if (open_) sink_(last_);
    open_ = false;
  }

 private:
  bool alike(const MapExtent& one) const {
    return one.layer == last_.layer && one.zero == last_.zero;
  }

  const MapOptions& options_;
  const MapSink& sink_;
  MapExtent last_;
  uint64_t file_end_ = 0;
  bool open_ = false;
};

}  // namespace

Result<void> map_chain(std::span<const ChainLink> chain, const MapOptions& options,
                       const MapSink& sink) {
  std::vector<LayerMap> layers;
  layers.reserve(chain.size());
  for (const ChainLink& link : chain) {
    VIRIDIAN_TRY(layers.emplace_back(link).open());
  }
  const uint64_t size = chain.front().image.size_bytes;
  Merger merger(options, sink);
  for (uint64_t at = 0; at < size;) {
    MapExtent one{at, size - at, kNoLayer, true, 0, 1};
    for (uint32_t layer = 0; layer < layers.size(); ++layer) {
      const auto part = layers[layer].part_at(at, options.sectors);
      if (!part) return Unexpected(part.error());
      one.length = std::min(one.length, part->end - at);
      if (!part->present) continue;
      one.layer = layer;
      one.zero = part->zero;
      one.offset = part->offset;
      break;
    }
    merger.add(one);
    at += one.length;
  }
  merger.finish();
  return {};
}

}  // namespace viridian::vhd::tool
