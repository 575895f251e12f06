// A source that is an image with its parents, read with plain preads from several threads: faster
// for one pass over a whole disk than the engine, which is made for a guest's requests.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "vhd/chain.h"
#include "vhd/tool/data_map.h"
#include "vhd/tool/disk_source.h"

namespace viridian::vhd::tool {

// The pieces that a list of ranges makes: aligned, and none twice. `piece_bytes`: kPieceBytes or a
// part of it by a power of two.
class PieceWalker {
 public:
  PieceWalker(std::vector<Range> ranges, uint64_t size_bytes, size_t piece_bytes = kPieceBytes)
      : ranges_(std::move(ranges)), size_bytes_(size_bytes), piece_bytes_(piece_bytes) {}
  bool next(Piece& piece);

 private:
  std::vector<Range> ranges_;
  uint64_t size_bytes_;
  size_t piece_bytes_;
  size_t range_ = 0;
  uint64_t at_ = 0;  // everything before it has been given out
};

class ImageSource final : public DiskSource {
 public:
  // Locks the chain against writers while it lives. `direct`: past the page cache where that works.
  static Result<std::unique_ptr<ImageSource>> open(const std::string& path,
                                                   const OpenPolicy& policy, bool direct);

  std::optional<uint64_t> size_bytes() const override { return chain_.front().image.size_bytes; }
  Result<bool> next(Piece& piece) override { return walker_.next(piece); }
  Result<void> read(Piece& piece) override;
  // Through the page cache one is enough: the kernel reads ahead and writes behind, and all who
  // write a file wait for one lock, which they do at the cost of a processor.
  unsigned threads() const override { return direct_ ? 3 : 1; }
  // Any range of whole sectors. From several threads at a time.
  Result<void> read_at(uint64_t offset, std::span<std::byte> into) const;
  // From now on next() gives only what lies in this range.
  void limit_to(uint64_t offset, uint64_t length);

  const Image& image() const { return chain_.front().image; }
  int fd() const { return chain_.front().fd.get(); }

 private:
  ImageSource(std::vector<ChainLink> chain, bool direct);
  size_t piece_bytes() const { return direct_ ? kPieceBytes : kCachedPieceBytes; }
  Result<void> read_layer(size_t layer, uint64_t offset, std::span<std::byte> into) const;
  Result<void> read_block(size_t layer, uint64_t offset, std::span<std::byte> into) const;
  Result<void> read_file(const ChainLink& link, uint64_t offset, std::span<std::byte> into) const;

  std::vector<ChainLink> chain_;
  bool direct_;
  PieceWalker walker_;
};

}  // namespace viridian::vhd::tool
