#include "vhd/resize.h"

#include <algorithm>

#include "base/checked.h"
#include "vhd/footer.h"
#include "vhd/limits.h"
#include "vhd/locators.h"
#include "vhd/new_image.h"

namespace viridian::vhd {
namespace {

constexpr uint64_t kSector = 512;
constexpr size_t kZeroBytes = 1u << 20;

Result<void> write_zeroes(io::File& file, uint64_t offset, uint64_t length) {
  const std::vector<std::byte> zeroes(std::min<uint64_t>(length, kZeroBytes));
  for (uint64_t done = 0; done < length; done += zeroes.size()) {
    const auto piece = std::span(zeroes).first(std::min<uint64_t>(zeroes.size(), length - done));
    VIRIDIAN_TRY(file.write_at(offset + done, piece));
  }
  return {};
}

Result<void> check_size(const io::File& file, const Image& image, uint64_t size_bytes) {
  const bool sparse = image.block_size != 0;
  VIRIDIAN_TRY(check_disk_size(file.name(), size_bytes, kSector, sparse));
  if (sparse && div_ceil<uint64_t>(size_bytes, image.block_size) > kMaxBatEntries) {
    return fail(ErrorKind::kInvalidArgument,
                "{}: size: {} bytes in blocks of {} need more than {} table entries; convert the "
                "image to larger blocks",
                file.name(), size_bytes, image.block_size, kMaxBatEntries);
  }
  return {};
}

Result<void> write_footer(io::File& file, uint64_t offset, Footer footer) {
  seal(footer);
  VIRIDIAN_TRY(file.write_at(offset, wire_bytes(footer)));
  return file.sync();
}

Result<void> resize_fixed(io::File& file, const Image& image, uint64_t size_bytes) {
  if (image.read_only) {
    return fail(ErrorKind::kUnsupported, "{}: {}; repair the image first", file.name(),
                image.warnings.back());
  }
  Footer resized = image.footer;
  set_disk_size(resized, size_bytes);
  uint64_t footer_at = image.footer_offset;
  if (size_bytes > footer_at) {
    footer_at = size_bytes;
    VIRIDIAN_TRY(write_footer(file, footer_at, image.footer));
  }
  if (size_bytes > image.size_bytes) {
    // The old footer, and whatever was between it and the disk.
    const uint64_t end = std::min(size_bytes, image.footer_offset + sizeof(Footer));
    VIRIDIAN_TRY(write_zeroes(file, image.size_bytes, end - image.size_bytes));
    VIRIDIAN_TRY(file.sync());
  }
  VIRIDIAN_TRY(write_footer(file, footer_at, resized));
  if (footer_at != size_bytes) VIRIDIAN_TRY(write_footer(file, size_bytes, resized));
  VIRIDIAN_TRY(file.resize(size_bytes + sizeof(Footer)));
  return file.sync();
}

class SparseResize {
 public:
  SparseResize(Rewriter& rewriter, uint64_t size_bytes, const GoOn& go_on)
      : rewriter_(rewriter), file_(rewriter.file()), size_bytes_(size_bytes), go_on_(go_on) {}

  Result<void> grow() {
    VIRIDIAN_TRY(clear_behind(rewriter_.image().size_bytes));
    VIRIDIAN_TRY(rewriter_.take_batmap());
    const uint32_t entries = std::max(needed_entries(), old_entries());
    const uint64_t table_bytes = align_up<uint64_t>(uint64_t{entries} * sizeof(be32), kSector);
    const auto place = make_room(table_bytes + rewriter_.batmap_bytes(entries));
    if (!place) return Unexpected(place.error());
    // The first sector that is written has the old table's last entries and what pads them.
    const bool in_place = *place == rewriter_.image().bat_offset;
    VIRIDIAN_TRY(rewriter_.extend(*place + table_bytes));
    VIRIDIAN_TRY(rewriter_.write_entries(*place, in_place ? rewriter_.image().bat.size() : 0,
                                         table_bytes / sizeof(be32)));
    SparseHeader header = rewriter_.image().header;
    header.table_offset = *place;
    header.max_table_entries = entries;
    VIRIDIAN_TRY(rewriter_.change_size(header, size_bytes_));
    return finish();
  }

  Result<void> shrink() {
    VIRIDIAN_TRY(rewriter_.take_batmap());
    SparseHeader header = rewriter_.image().header;
    // Xen's longer tables, and the place of its map behind them, stay.
    const uint64_t blocks = rewriter_.image().bat.size();
    if (!rewriter_.has_batmap() && old_entries() == blocks)
      header.max_table_entries = needed_entries();
    VIRIDIAN_TRY(rewriter_.change_size(header, size_bytes_));
    VIRIDIAN_TRY(clear_behind(size_bytes_));
    // The entries behind the last block are ignored, but the next to grow the table may not know.
    VIRIDIAN_TRY(rewriter_.write_entries(rewriter_.image().bat_offset,
                                         rewriter_.image().bat.size() - 1, old_entries()));
    VIRIDIAN_TRY(file_.sync());
    return finish();
  }

 private:
  uint32_t old_entries() const { return rewriter_.image().header.max_table_entries; }
  uint32_t needed_entries() const {
    return static_cast<uint32_t>(div_ceil<uint64_t>(size_bytes_, rewriter_.image().block_size));
  }

  Result<void> finish() {
    VIRIDIAN_TRY(rewriter_.put_batmap(cleared_));
    return rewriter_.trim();
  }

  // Clears what the block around `end`, a disk's end, holds behind it. Both are invisible there.
  Result<void> clear_behind(uint64_t end) {
    const Image& image = rewriter_.image();
    const size_t block = end / image.block_size;
    const uint64_t kept = end % image.block_size;
    if (kept == 0 || image.bat[block] == kUnusedEntry) return {};
    const uint64_t at = image.bat[block] * kSector;
    std::vector<std::byte> bitmap(image.bitmap_bytes);
    VIRIDIAN_TRY(rewriter_.read(at, bitmap, "sector bitmap"));
    std::vector<std::byte> cleared = bitmap;
    for (uint64_t sector = kept / kSector; sector < image.block_size / kSector; ++sector)
      cleared[sector / 8] &= ~(std::byte{0x80} >> (sector % 8));
    // The data first: a program that ignores bitmaps looks at nothing else.
    VIRIDIAN_TRY(write_zeroes(file_, at + image.bitmap_bytes + kept, image.block_size - kept));
    for (size_t i = 0; i < bitmap.size(); i += kSector) {
      const auto sector = std::span<const std::byte>(cleared).subspan(i, kSector);
      if (std::equal(sector.begin(), sector.end(), bitmap.begin() + static_cast<ptrdiff_t>(i)))
        continue;
      VIRIDIAN_TRY(file_.write_at(at + i, sector));
      cleared_ = {block};
    }
    return file_.sync();
  }

  // Where `bytes` of table and block map go, free but for the old table.
  Result<uint64_t> make_room(uint64_t bytes) {
    SpaceMap& used = rewriter_.used();
    const uint64_t at = rewriter_.image().bat_offset;
    const uint64_t old_end =
        at + align_up<uint64_t>(uint64_t{old_entries()} * sizeof(be32), kSector);
    used.remove(at, old_end);
    const uint64_t header = rewriter_.image().footer.data_offset;
    const bool blocked =
        at < sizeof(Footer) || (header + sizeof(SparseHeader) > at && header < at + bytes);
    if (blocked) {
      used.add(at, old_end);
      return rewriter_.allocate(bytes);
    }
    const auto in_the_way = used.overlapping(at, at + bytes);
    used.add(at, at + bytes);  // nothing moves there
    if (in_the_way.empty()) return at;
    VIRIDIAN_TRY(move_locators(at, at + bytes));
    VIRIDIAN_TRY(move_blocks(at, at + bytes));
    used.add(at, at + bytes);
    return at;
  }

  Result<void> move_locators(uint64_t begin, uint64_t end) {
    const Image& image = rewriter_.image();
    if (image.type != ImageType::kDifferencing) return {};
    SparseHeader header = image.header;
    bool any = false;
    for (ParentLocator& entry : header.parent_locators) {
      const uint64_t offset = entry.platform_data_offset;
      const uint64_t space = locator_space(image, entry);
      if (entry.platform_code.get() == kLocatorNone || offset >= end || offset + space <= begin)
        continue;
      const auto to = rewriter_.allocate(space);
      if (!to) return Unexpected(to.error());
      std::vector<std::byte> text(space);
      VIRIDIAN_TRY(rewriter_.read(offset, std::span(text).first(entry.platform_data_length),
                                  "parent locator"));
      VIRIDIAN_TRY(file_.write_at(*to, text));
      entry.platform_data_offset = *to;
      any = true;
    }
    if (!any) return {};
    return rewriter_.change(header, image.footer);
  }

  Result<void> move_blocks(uint64_t begin, uint64_t end) {
    const Image& image = rewriter_.image();
    std::vector<Rewriter::Move> moves;
    uint64_t from = 0;
    for (size_t block = 0; block < image.bat.size(); ++block) {
      const uint64_t at = image.bat[block] * kSector;
      if (image.bat[block] == kUnusedEntry || at >= end || at + rewriter_.block_bytes() <= begin)
        continue;
      const uint64_t to = rewriter_.find_place(from);
      moves.push_back({block, to});
      from = to + rewriter_.block_bytes();
    }
    return rewriter_.move_blocks(moves, moves.size() * rewriter_.block_bytes(), go_on_);
  }

  Rewriter& rewriter_;
  io::File& file_;
  uint64_t size_bytes_;
  const GoOn& go_on_;
  std::vector<size_t> cleared_;  // blocks that are no longer full
};

}  // namespace

Result<ResizeResult> resize_image(io::File& file, const Image& image, uint64_t size_bytes,
                                  const GoOn& go_on) {
  VIRIDIAN_TRY(check_size(file, image, size_bytes));
  ResizeResult result{image.size_bytes, 0};
  if (image.type == ImageType::kRaw) {
    VIRIDIAN_TRY(file.resize(size_bytes));
    VIRIDIAN_TRY(file.sync());
    return result;
  }
  if (image.type == ImageType::kFixed) {
    VIRIDIAN_TRY(resize_fixed(file, image, size_bytes));
    return result;
  }
  auto rewriter = Rewriter::open(file, image);
  if (!rewriter) return Unexpected(std::move(rewriter).error());
  SparseResize resize(*rewriter, size_bytes, go_on);
  VIRIDIAN_TRY(size_bytes < image.size_bytes ? resize.shrink() : resize.grow());
  result.moved_bytes = rewriter->moved_bytes();
  return result;
}

}  // namespace viridian::vhd
