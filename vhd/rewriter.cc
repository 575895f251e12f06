#include "vhd/rewriter.h"

#include <algorithm>
#include <cstring>

#include "base/checked.h"
#include "vhd/footer.h"
#include "vhd/header_update.h"
#include "vhd/limits.h"

namespace viridian::vhd {
namespace {

constexpr uint64_t kSector = 512;
constexpr uint64_t kHeaderPlace = sizeof(Footer);
constexpr size_t kEntriesPerSector = kSector / sizeof(be32);
constexpr size_t kCopyBytes = 256u << 10;
constexpr uint64_t kBatchBytes = 64ull << 20;     // that may be copied again after a cut
constexpr uint32_t kAlignedBlockSize = 1u << 20;  // from which on a gap costs less than 0.4 %
constexpr uint32_t kBatmapSigned = 0x00010001;

uint32_t batmap_checksum(uint32_t version, std::span<const std::byte> map) {
  uint32_t sum = 0;
  for (std::byte byte : map) {
    const auto value = std::to_integer<uint8_t>(byte);
    sum += version == kBatmapSigned ? static_cast<uint32_t>(static_cast<int8_t>(value)) : value;
  }
  return ~sum;
}

bool is_zero(std::span<const std::byte> bytes) {
  return bytes.empty() || (bytes.front() == std::byte{0} &&
                           std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

}  // namespace

Result<void> read_all(const io::File& file, uint64_t offset, std::span<std::byte> into,
                      std::string_view what) {
  const auto got = file.read_at(offset, into);
  if (!got) return with_context(fmt::format("reading the {}", what), got.error());
  if (*got == into.size()) return {};
  return fail(ErrorKind::kIo, "{}: ends inside the {} at offset {}; it shrank while it was read",
              file.name(), what, offset);
}

void set_disk_size(Footer& footer, uint64_t size_bytes) {
  footer.current_size = size_bytes;
  footer.geometry = geometry_for(size_bytes);
  // Readers that believe the geometry (QEMU of unknown creators, everybody of "vpc " and "qemu")
  // make an exception for the largest one.
  if (vhd::size_bytes(footer.geometry) != size_bytes) footer.geometry = max_geometry();
}

Rewriter::Rewriter(io::File& file, Image image)
    : file_(file), image_(std::move(image)), used_(used_space(image_)), buffer_(kCopyBytes) {
  written_.add(0, std::max(image_.file_size_bytes, image_.footer_offset) + kSector);
}

Result<Rewriter> Rewriter::open(io::File& file, Image image) {
  if (image.read_only) {
    return fail(ErrorKind::kUnsupported, "{}: {}; repair the image first", file.name(),
                image.warnings.empty() ? "is read-only" : image.warnings.back());
  }
  Rewriter rewriter(file, std::move(image));
  VIRIDIAN_TRY(rewriter.make_footers_good());
  // A header that a cut left behind everything else goes back to its place.
  const uint64_t header = rewriter.image_.footer.data_offset;
  if (header != kHeaderPlace &&
      rewriter.used_.is_free(kHeaderPlace, kHeaderPlace + sizeof(SparseHeader))) {
    VIRIDIAN_TRY(rewriter.change(rewriter.image_.header, rewriter.image_.footer));
  }
  return rewriter;
}

Result<void> Rewriter::make_footers_good() {
  const auto size = file_.size();
  if (!size) return Unexpected(size.error());
  seal(image_.footer);
  if (!image_.footers_damaged && *size == image_.footer_offset + kSector) return {};
  // The last one only where nothing may be in use.
  image_.footer_offset = align_up(std::max(image_.footer_offset, image_.data_end), kSector);
  VIRIDIAN_TRY(file_.write_at(image_.footer_offset, wire_bytes(image_.footer)));
  VIRIDIAN_TRY(file_.sync());
  VIRIDIAN_TRY(file_.write_at(0, wire_bytes(image_.footer)));
  VIRIDIAN_TRY(file_.sync());
  if (*size > image_.footer_offset + kSector) {
    VIRIDIAN_TRY(file_.resize(image_.footer_offset + kSector));
    VIRIDIAN_TRY(file_.sync());
  }
  image_.footers_damaged = false;
  return {};
}

uint64_t Rewriter::find_place_in(const SpaceMap& used, uint64_t from) const {
  const uint64_t alignment = image_.block_size >= kAlignedBlockSize ? kDataAlignment : kSector;
  return used.find(from, block_bytes(), alignment, image_.bitmap_bytes);
}

Result<void> Rewriter::read(uint64_t offset, std::span<std::byte> into,
                            std::string_view what) const {
  return read_all(file_, offset, into, what);
}

Result<void> Rewriter::extend(uint64_t end) {
  const uint64_t footer_offset = align_up(end, kSector);
  if (footer_offset <= image_.footer_offset) return {};
  VIRIDIAN_TRY(file_.write_at(footer_offset, wire_bytes(image_.footer)));
  VIRIDIAN_TRY(file_.sync());
  image_.footer_offset = footer_offset;
  written_.add(footer_offset, footer_offset + kSector);
  return {};
}

Result<uint64_t> Rewriter::allocate(uint64_t bytes) {
  const uint64_t at = used_.find(0, bytes, kSector);
  VIRIDIAN_TRY(extend(at + bytes));
  used_.add(at, at + bytes);
  written_.add(at, at + bytes);
  return at;
}

Result<void> Rewriter::copy_block(uint64_t from, uint64_t to) {
  for (uint64_t done = 0; done < block_bytes(); done += kCopyBytes) {
    const auto piece = std::span(buffer_).first(std::min(kCopyBytes, block_bytes() - done));
    VIRIDIAN_TRY(read(from + done, piece, "block"));
    const uint64_t at = to + done;
    if (written_.is_free(at, at + piece.size()) && is_zero(piece)) continue;  // stays a hole
    VIRIDIAN_TRY(file_.write_at(at, piece));
  }
  written_.add(to, to + block_bytes());
  return {};
}

Result<void> Rewriter::move_blocks(std::span<const Move> moves, uint64_t total_bytes,
                                   const GoOn& go_on) {
  while (!moves.empty()) {
    const auto batch = moves.first(std::min<size_t>(moves.size(), 1 + kBatchBytes / block_bytes()));
    moves = moves.subspan(batch.size());
    uint64_t end = 0;
    for (const Move& move : batch)
      end = std::max(end, move.to + block_bytes());
    if (end > kMaxFileOffset) {
      return fail(ErrorKind::kUnsupported,
                  "{}: blocks: there is no room for them in the first 2 TiB of the file",
                  file_.name());
    }
    VIRIDIAN_TRY(extend(end));
    for (const Move& move : batch) {
      VIRIDIAN_TRY(copy_block(image_.bat[move.block] * kSector, move.to));
      moved_bytes_ += block_bytes();
      if (go_on && !go_on(moved_bytes_, total_bytes)) {
        return fail(ErrorKind::kIo, "{}: interrupted; the image is whole, start again to go on",
                    file_.name());
      }
    }
    VIRIDIAN_TRY(file_.sync());
    std::vector<size_t> blocks;
    std::vector<uint64_t> left;
    for (const Move& move : batch) {
      blocks.push_back(move.block);
      left.push_back(image_.bat[move.block] * kSector);
      image_.bat.set(move.block, static_cast<uint32_t>(move.to / kSector));
      used_.add(move.to, move.to + block_bytes());
    }
    VIRIDIAN_TRY(write_changed_entries(std::move(blocks)));
    for (uint64_t place : left)
      used_.remove(place, place + block_bytes());
  }
  return {};
}

Result<void> Rewriter::free_blocks(std::span<const size_t> blocks) {
  if (blocks.empty()) return {};
  std::vector<uint64_t> left;
  for (size_t block : blocks) {
    left.push_back(image_.bat[block] * kSector);
    image_.bat.set(block, kUnusedEntry);
  }
  VIRIDIAN_TRY(write_changed_entries({blocks.begin(), blocks.end()}));
  for (uint64_t place : left)
    used_.remove(place, place + block_bytes());
  return {};
}

Result<void> Rewriter::write_changed_entries(std::vector<size_t> blocks) {
  std::sort(blocks.begin(), blocks.end());
  for (size_t i = 0; i < blocks.size();) {
    // The sectors of the table that follow each other go in one write.
    const size_t first = blocks[i];
    size_t last = first;
    while (i < blocks.size() && blocks[i] / kEntriesPerSector <= last / kEntriesPerSector + 1)
      last = blocks[i++];
    VIRIDIAN_TRY(write_entries(image_.bat_offset, first, last + 1));
  }
  return file_.sync();
}

Result<void> Rewriter::write_entries(uint64_t table_offset, size_t first_block, size_t last_block) {
  size_t at = align_down(first_block, kEntriesPerSector);
  const size_t end = align_up(last_block, kEntriesPerSector);
  std::vector<be32> piece;
  while (at < end) {
    piece.assign(std::min<size_t>(end - at, kCopyBytes / sizeof(be32)), kUnusedEntry);
    for (size_t i = 0; i < piece.size() && at + i < image_.bat.size(); ++i)
      piece[i] = image_.bat[at + i];
    VIRIDIAN_TRY(file_.write_at(table_offset + at * sizeof(be32), std::as_bytes(std::span(piece))));
    at += piece.size();
  }
  return {};
}

Result<void> Rewriter::change(const SparseHeader& header, const Footer& footer) {
  HeaderUpdate update{header, footer, image_.footer_offset};
  const uint64_t place = image_.footer.data_offset;
  used_.remove(place, place + sizeof(SparseHeader));
  const bool home = used_.is_free(kHeaderPlace, kHeaderPlace + sizeof(SparseHeader));
  update.footer.data_offset = home ? kHeaderPlace : place;
  used_.add(update.footer.data_offset, update.footer.data_offset + sizeof(SparseHeader));
  seal(update.header);
  seal(update.footer);
  // What the header leads to may be behind the last footer's place of now.
  VIRIDIAN_TRY(file_.sync());
  VIRIDIAN_TRY(update_header(file_, update));
  image_.header = update.header;
  image_.footer = update.footer;
  image_.bat_offset = update.header.table_offset;
  image_.size_bytes = update.footer.current_size;
  return {};
}

Result<void> Rewriter::change_size(const SparseHeader& header, uint64_t size_bytes) {
  Footer footer = image_.footer;
  set_disk_size(footer, size_bytes);
  VIRIDIAN_TRY(change(header, footer));
  image_.bat.resize(div_ceil<uint64_t>(size_bytes, image_.block_size));
  used_ = used_space(image_);
  return {};
}

Result<void> Rewriter::take_batmap() {
  if (!image_.batmap) return {};
  const Batmap place = *image_.batmap;
  TakenBatmap taken;
  taken.map.resize(place.map_bytes);
  VIRIDIAN_TRY(read(place.header_offset, std::as_writable_bytes(std::span(&taken.header, 1)),
                    "batmap header"));
  VIRIDIAN_TRY(read(place.map_offset, taken.map, "batmap"));
  BatmapHeader dead = taken.header;
  dead.cookie = {};
  VIRIDIAN_TRY(file_.write_at(place.header_offset, wire_bytes(dead)));
  VIRIDIAN_TRY(file_.sync());
  // A map that does not add up is not carried on.
  if (batmap_checksum(taken.header.version, taken.map) == taken.header.checksum.get()) {
    batmap_ = std::move(taken);
  }
  used_.remove(place.header_offset, place.header_offset + sizeof(BatmapHeader));
  used_.remove(place.map_offset, align_up(place.map_offset + place.map_bytes, kSector));
  image_.batmap.reset();
  // The space of something else may touch it.
  for (const SpaceMap::Range& range : metadata_ranges(image_))
    used_.add(range.begin, range.end);
  return {};
}

uint64_t Rewriter::batmap_bytes(uint64_t blocks) const {
  if (!batmap_) return 0;
  const uint64_t map = align_up(div_ceil<uint64_t>(blocks, 8), kSector);
  return sizeof(BatmapHeader) + std::max<uint64_t>(map, batmap_->map.size());
}

// Only behind the table, where readers look for it; the caller has kept that space free.
Result<void> Rewriter::put_batmap(std::span<const size_t> changed) {
  if (!batmap_) return {};
  const uint64_t table_bytes =
      align_up<uint64_t>(uint64_t{image_.header.max_table_entries} * sizeof(be32), kSector);
  const uint64_t at = image_.bat_offset + table_bytes;
  const uint64_t bytes = batmap_bytes(image_.header.max_table_entries);
  if (!used_.is_free(at, at + bytes)) return {};
  std::vector<std::byte> map = batmap_->map;
  map.resize(bytes - sizeof(BatmapHeader));
  const auto clear = [&](size_t block) {
    if (block / 8 < map.size()) map[block / 8] &= ~(std::byte{0x80} >> (block % 8));
  };
  for (size_t block = 0; block < map.size() * 8; ++block) {
    if (block >= image_.bat.size() || image_.bat[block] == kUnusedEntry) clear(block);
  }
  for (size_t block : changed)
    clear(block);
  BatmapHeader header = batmap_->header;
  header.map_offset = at + sizeof(BatmapHeader);
  header.map_sectors = static_cast<uint32_t>(map.size() / kSector);
  header.checksum = batmap_checksum(header.version, map);
  VIRIDIAN_TRY(extend(at + bytes));
  VIRIDIAN_TRY(file_.write_at(header.map_offset, map));
  VIRIDIAN_TRY(file_.sync());
  VIRIDIAN_TRY(file_.write_at(at, wire_bytes(header)));
  VIRIDIAN_TRY(file_.sync());
  image_.batmap = {at, header.map_offset, map.size(), false};
  used_.add(at, at + bytes);
  batmap_.reset();
  return {};
}

Result<void> Rewriter::trim() {
  const uint64_t footer_offset = align_up(used_.end(), kSector);
  if (footer_offset >= image_.footer_offset) return {};
  VIRIDIAN_TRY(file_.write_at(footer_offset, wire_bytes(image_.footer)));
  VIRIDIAN_TRY(file_.sync());
  VIRIDIAN_TRY(file_.resize(footer_offset + kSector));
  VIRIDIAN_TRY(file_.sync());
  image_.footer_offset = footer_offset;
  return {};
}

}  // namespace viridian::vhd
