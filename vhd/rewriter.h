// What the operations that rewrite a sparse image in place share (resize.h, compact.h): whatever
// they do, a cut at any moment leaves an image that opens without repair and shows the old disk or
// the new one. The rules:
//
//  1. At each moment the footer's copy at 0 is good, and the file ends with a good footer, or with
//     zeroes, or with what is no footer. So the file is made longer by writing the footer at its
//     new end first; what a guest wrote never comes to lie at the end of the file.
//  2. A block moves by being copied into space that nothing uses; sync; its entry of the table, one
//     sector; sync. Only then may the space that it left be written.
//  3. Space is given up the other way round: the entry is made unused; sync; then it is free.
//  4. Header and size change by header_update.h. What the new header leads to is written before, to
//     space that nothing uses.
//  5. Xen's block map is invalid (its cookie cleared and durable) while anything changes that it
//     speaks of.
//
// Control path; no request meets the file meanwhile. On an error, and when `go_on` says no, the
// image is whole and the operation can be started again.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "io/file.h"
#include "vhd/image.h"
#include "vhd/space_map.h"

namespace viridian::vhd {

// Called now and then with how much of the work is done, in bytes; false stops the operation.
using GoOn = std::function<bool(uint64_t done_bytes, uint64_t total_bytes)>;

class Rewriter {
 public:
  struct Move {
    size_t block = 0;
    uint64_t to = 0;  // the new place of its bitmap
  };

  // `image` is what `file` holds, a dynamic or differencing image. Makes damaged footers good.
  static Result<Rewriter> open(io::File& file, Image image);

  const Image& image() const { return image_; }
  SpaceMap& used() { return used_; }
  const SpaceMap& used() const { return used_; }
  io::File& file() { return file_; }

  uint64_t block_bytes() const { return uint64_t{image_.bitmap_bytes} + image_.block_size; }
  // Where a block may be put at or behind `from`: its data aligned as in new images, unless that
  // would waste a noticeable part of the file.
  uint64_t find_place(uint64_t from) const { return find_place_in(used_, from); }
  uint64_t find_place_in(const SpaceMap& used, uint64_t from) const;

  Result<void> read(uint64_t offset, std::span<std::byte> into, std::string_view what) const;
  // Makes the file reach to `end` at least, before the last footer.
  Result<void> extend(uint64_t end);
  // Free space of `bytes`, in the file and marked as used.
  Result<uint64_t> allocate(uint64_t bytes);

  // Every place is free, none twice. `moved` counts the bytes, over all calls.
  Result<void> move_blocks(std::span<const Move> moves, uint64_t total_bytes, const GoOn& go_on);
  // Gives up blocks; durable when it returns.
  Result<void> free_blocks(std::span<const size_t> blocks);
  uint64_t moved_bytes() const { return moved_bytes_; }

  // Writes the table's sectors for [first_block, last_block), as image().bat has them; not durable.
  Result<void> write_entries(uint64_t table_offset, size_t first_block, size_t last_block);
  // From here on these are the image's, and durable. The header's place is 512 if that is free.
  Result<void> change(const SparseHeader& header, const Footer& footer);
  // The same with another size; the table is there already. Blocks behind the end are given up.
  Result<void> change_size(const SparseHeader& header, uint64_t size_bytes);

  // Xen's block map: takes it out of the file, and puts it behind the table again with the bits of
  // those blocks that are still allocated and were not `changed`.
  Result<void> take_batmap();
  bool has_batmap() const { return batmap_.has_value(); }
  uint64_t batmap_bytes(uint64_t blocks) const;
  Result<void> put_batmap(std::span<const size_t> changed);

  // Puts the last footer behind what is in use and cuts the file there.
  Result<void> trim();

 private:
  struct TakenBatmap {
    BatmapHeader header;
    std::vector<std::byte> map;
  };

  Rewriter(io::File& file, Image image);
  Result<void> make_footers_good();
  Result<void> copy_block(uint64_t from, uint64_t to);
  Result<void> write_changed_entries(std::vector<size_t> blocks);

  io::File& file_;
  Image image_;
  SpaceMap used_;
  SpaceMap written_;  // where the file may hold anything but zeroes
  std::optional<TakenBatmap> batmap_;
  uint64_t moved_bytes_ = 0;
  std::vector<std::byte> buffer_;
};

// Reads all of `into`, or fails with a line that names `what`.
Result<void> read_all(const io::File& file, uint64_t offset, std::span<std::byte> into,
                      std::string_view what);

// Sets both sizes and a geometry by which no reader takes the disk for a smaller one.
void set_disk_size(Footer& footer, uint64_t size_bytes);

}  // namespace viridian::vhd
