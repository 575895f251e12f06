#include "vhd/sparse_load.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "base/checked.h"
#include "vhd/batmap.h"
#include "vhd/footer.h"
#include "vhd/layout.h"
#include "vhd/limits.h"
#include "vhd/locators.h"

namespace viridian::vhd {
namespace {

constexpr uint64_t kSector = 512;

Field header_field(const Image& image, std::string_view name, size_t offset) {
  return {fmt::format("header: {}", name), image.footer.data_offset + offset};
}

Result<void> read_header(const FileView& file, Image& image) {
  const uint64_t offset = image.footer.data_offset;
  if (offset < sizeof(Footer) || !is_aligned(offset, kSector) ||
      !range_within<uint64_t>(offset, sizeof(SparseHeader), file.size_bytes)) {
    return damaged(file,
                   {"footer: data_offset", image.footer_offset + offsetof(Footer, data_offset)},
                   "is {:#x}, which is no place for a header", offset);
  }
  auto header = read_struct<SparseHeader>(file, offset, "header");
  if (!header) return Unexpected(std::move(header).error());
  image.header = *header;
  if (header->cookie != kHeaderCookie) {
    return damaged(file, header_field(image, "cookie", offsetof(SparseHeader, cookie)),
                   "is not 'cxsparse' at offset {:#x}", offset);
  }
  if (const uint32_t sum = compute_checksum(*header); sum != header->checksum.get()) {
    return damaged(file, header_field(image, "checksum", offsetof(SparseHeader, checksum)),
                   "is {:#010x}, its bytes give {:#010x}", header->checksum.get(), sum);
  }
  if (header->header_version >> 16 != kFormatVersion >> 16) {
    return damaged(file,
                   header_field(image, "header_version", offsetof(SparseHeader, header_version)),
                   "is {:#010x}, only 1.x is known", header->header_version.get());
  }
  return {};
}

Result<void> check_header(const FileView& file, Image& image) {
  const SparseHeader& header = image.header;
  const uint32_t block_size = header.block_size;
  if (!std::has_single_bit(block_size) || block_size < kMinBlockSize ||
      block_size > kMaxBlockSize) {
    return damaged(file, header_field(image, "block_size", offsetof(SparseHeader, block_size)),
                   "is {}, not a power of two from {} to {}", block_size, kMinBlockSize,
                   kMaxBlockSize);
  }
  image.block_size = block_size;
  // One bit for each sector, padded to a sector.
  image.bitmap_bytes = align_up<uint32_t>(div_ceil<uint32_t>(block_size / 512, 8), 512);

  const uint64_t needed = div_ceil<uint64_t>(image.size_bytes, block_size);
  const uint32_t entries = header.max_table_entries;
  if (entries < needed) {
    return damaged(
        file, header_field(image, "max_table_entries", offsetof(SparseHeader, max_table_entries)),
        "is {}, the disk's {} bytes need {}", entries, image.size_bytes, needed);
  }
  if (needed > kMaxBatEntries) {
    return fail(ErrorKind::kUnsupported,
                "{}: header: block_size is {}: the disk has {} blocks, the limit is {}; convert "
                "the image to a larger block size with the program that made it",
                file.name, block_size, needed, kMaxBatEntries);
  }
  image.bat_offset = header.table_offset;
  if (!is_aligned(image.bat_offset, kSector) ||
      !range_within<uint64_t>(image.bat_offset, uint64_t{entries} * 4, file.size_bytes)) {
    return damaged(file, header_field(image, "table_offset", offsetof(SparseHeader, table_offset)),
                   "is {:#x}: a table of {} entries there is not "
                   "inside the file's {} bytes",
                   image.bat_offset, entries, file.size_bytes);
  }
  return {};
}

constexpr uint64_t kPieceEntries = 64 * 1024;  // of the table that are read at once

// Most entries of most tables are unused: these are passed over in groups.
constexpr size_t kGroup = 16;

bool is_unused(const be32* group) {
  std::array<uint64_t, kGroup / 2> words;
  std::memcpy(words.data(), group, sizeof(words));
  uint64_t all = ~uint64_t{0};
  for (uint64_t word : words)
    all &= word;
  return ~all == 0;
}

// What an entry cannot be, whatever the others are; empty if nothing is wrong with it. A table that
// is a hole of the file is all zeroes, and ends with the first of them.
std::string_view flaw_of(uint32_t entry, uint64_t file_bytes) {
  if (entry == 0) return "its block overlaps the footer's copy";
  if (entry * kSector >= file_bytes) return "it is behind the end of the file";
  return {};
}

// Takes the entries of `piece`, the first of which is number `first`, into the table.
Result<void> take_entries(const FileView& file, std::span<const be32> piece, size_t first,
                          Image& image) {
  for (size_t i = 0; i < piece.size();) {
    if (i + kGroup <= piece.size() && is_unused(&piece[i])) {
      i += kGroup;
      continue;
    }
    for (const size_t end = std::min(i + kGroup, piece.size()); i < end; ++i) {
      const uint32_t entry = piece[i];
      if (entry == kUnusedEntry) continue;
      const std::string_view flaw = flaw_of(entry, file.size_bytes);
      if (flaw.empty()) {
        image.bat.set(first + i, entry);
        continue;
      }
      const size_t index = first + i;
      const auto problem =
          damaged(file, {fmt::format("table entry {}", index), image.bat_offset + index * 4},
                  "is sector {}: {}", entry, flaw);
      if (!file.goes_on()) return problem;
    }
  }
  return {};
}

// In pieces that stay in the processor's cache, each checked before the next is read: a wrong table
// costs no more than its first piece.
Result<void> read_bat(const FileView& file, Image& image) {
  const uint64_t count = div_ceil<uint64_t>(image.size_bytes, image.block_size);
  std::vector<be32> piece(std::min(count, kPieceEntries));
  image.bat = BlockTable(count);
  for (uint64_t first = 0; first < count; first += piece.size()) {
    piece.resize(std::min<uint64_t>(piece.size(), count - first));
    const uint64_t at = image.bat_offset + first * sizeof(be32);
    VIRIDIAN_TRY(read_exact(file, at, std::as_writable_bytes(std::span(piece)), "block table"));
    VIRIDIAN_TRY(take_entries(file, piece, first, image));
  }
  return {};
}

}  // namespace

Result<void> load_sparse(const FileView& file, const FoundFooters& found, const OpenPolicy& policy,
                         Image& image) {
  VIRIDIAN_TRY(read_header(file, image));
  VIRIDIAN_TRY(check_header(file, image));
  const uint64_t table_bytes =
      align_up<uint64_t>(uint64_t{image.header.max_table_entries} * 4, kSector);
  std::vector<Extent> metadata = {
      {0, sizeof(Footer), "the footer's copy"},
      {image.footer.data_offset, sizeof(SparseHeader), "footer: data_offset"},
      {image.bat_offset, table_bytes, "header: table_offset"},
  };
  VIRIDIAN_TRY(check_apart(file, metadata));  // or the table's entries would make no sense
  VIRIDIAN_TRY(read_bat(file, image));
  if (image.type == ImageType::kDifferencing) {
    VIRIDIAN_TRY(load_parent(file, policy, image, metadata));
  }
  VIRIDIAN_TRY(load_batmap(file, image.bat_offset + table_bytes, image, metadata));
  VIRIDIAN_TRY(check_layout(file, std::move(metadata), image));
  if (file.problems != nullptr && !file.problems->empty()) {
    return fail(ErrorKind::kCorrupt, "{}: {} {}", file.name, file.problems->front().field,
                file.problems->front().text);
  }

  // A lost last footer goes back to its place if something of it is left there.
  const bool lost = found.last.state != FooterState::kValid;
  if (lost && found.last.state != FooterState::kAbsent && found.last.offset >= image.data_end &&
      is_aligned(found.last.offset, kSector)) {
    image.footer_offset = found.last.offset;
  }
  return {};
}

}  // namespace viridian::vhd
