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

// The pieces that a list of ranges makes: aligned, and none twice.
class PieceWalker {
 public:
  PieceWalker(std::vector<Range> ranges, uint64_t size_bytes)
      : ranges_(std::move(ranges)), size_bytes_(size_bytes) {}
  bool next(Piece& piece);

 private:
  std::vector<Range> ranges_;
  uint64_t size_bytes_;
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
  // Any range of whole sectors. From several threads at a time.
  Result<void> read_at(uint64_t offset, std::span<std::byte> into) const;
  // From now on next() gives only what lies in this range.
  void limit_to(uint64_t offset, uint64_t length);

  const Image& image() const { return chain_.front().image; }
  int fd() const { return chain_.front().fd.get(); }

 private:
  explicit ImageSource(std::vector<ChainLink> chain);
  Result<void> read_layer(size_t layer, uint64_t offset, std::span<std::byte> into) const;
  Result<void> read_block(size_t layer, uint64_t offset, std::span<std::byte> into) const;
  Result<void> read_file(const ChainLink& link, uint64_t offset, std::span<std::byte> into) const;

  std::vector<ChainLink> chain_;
  PieceWalker walker_;
};

}  // namespace viridian::vhd::tool
