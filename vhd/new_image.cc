#include "vhd/new_image.h"

#include <fcntl.h>

#include <algorithm>
#include <bit>

#include "base/checked.h"
#include "vhd/footer.h"

namespace viridian::vhd {
namespace {

constexpr uint64_t kHeaderOffset = sizeof(Footer);
constexpr uint64_t kDynamicTableOffset = kHeaderOffset + sizeof(SparseHeader);
constexpr uint64_t kTablePieceBytes = 1024 * 1024;
constexpr uint32_t kBatmapVersion = 0x00010002;

Result<void> write_table(const FileView& file, const SparseHeader& header,
                         std::span<const uint32_t> entries) {
  const uint64_t end = table_end(header);
  std::vector<be32> piece(std::min(kTablePieceBytes, end - header.table_offset) / sizeof(be32),
                          be32(kUnusedEntry));
  for (uint64_t at = header.table_offset; at < end; at += kTablePieceBytes) {
    const auto now = std::min<uint64_t>(piece.size(), (end - at) / sizeof(be32));
    const auto used = std::min<size_t>(now, entries.size());
    std::copy_n(entries.begin(), used, piece.begin());
    std::fill(piece.begin() + static_cast<std::ptrdiff_t>(used), piece.end(), be32(kUnusedEntry));
    entries = entries.subspan(used);
    const auto bytes = std::as_bytes(std::span(piece).first(now));
    VIRIDIAN_TRY(write_exact(file, at, bytes, "block table"));
    // On its way while the rest is written: 4 MiB of table take as long to write as to store.
    (void)::sync_file_range(file.fd, static_cast<off_t>(at), static_cast<off_t>(bytes.size()),
                            SYNC_FILE_RANGE_WRITE);
  }
  return {};
}

uint64_t batmap_bytes(const SparseHeader& header) {
  return align_up<uint64_t>(div_ceil<uint64_t>(header.max_table_entries, 8), 512);
}

// A whole image's blocks are full: their bits are set.
Result<void> write_batmap(const FileView& file, const SparseHeader& header,
                          std::span<const uint32_t> entries) {
  std::vector<std::byte> map(batmap_bytes(header));
  uint32_t sum = 0;
  for (size_t block = 0; block < entries.size(); ++block) {
    if (entries[block] == kUnusedEntry) continue;
    map[block / 8] |= std::byte{0x80} >> block % 8;
  }
  for (std::byte byte : map)
    sum += std::to_integer<uint32_t>(byte);
  BatmapHeader batmap;
  batmap.cookie = kBatmapCookie;
  batmap.map_offset = table_end(header) + sizeof(BatmapHeader);
  batmap.map_sectors = static_cast<uint32_t>(map.size() / 512);
  batmap.version = kBatmapVersion;
  batmap.checksum = ~sum;
  VIRIDIAN_TRY(write_exact(file, table_end(header), wire_bytes(batmap), "batmap header"));
  return write_exact(file, batmap.map_offset, map, "batmap");
}

}  // namespace

Result<void> check_disk_size(const std::string& path, uint64_t size_bytes, uint64_t unit,
                             bool sparse) {
  if (size_bytes == 0 || size_bytes % unit != 0) {
    return fail(ErrorKind::kInvalidArgument, "{}: size: {} bytes are no positive multiple of {}",
                path, size_bytes, unit);
  }
  if (sparse && size_bytes > kMaxSparseSize) {
    return fail(ErrorKind::kInvalidArgument,
                "{}: size: {} bytes are more than the {} (2040 GiB) that a dynamic or differencing "
                "image can hold; a fixed one holds more",
                path, size_bytes, kMaxSparseSize);
  }
  if (size_bytes > kMaxFixedSize) {
    return fail(ErrorKind::kInvalidArgument, "{}: size: {} bytes are more than {}", path,
                size_bytes, kMaxFixedSize);
  }
  return {};
}

Result<void> check_options(const std::string& path, const CreateOptions& options, bool sparse) {
  const WriterProfile& profile = profile_of(options.compat);
  VIRIDIAN_TRY(check_disk_size(path, options.size_bytes, profile.size_unit, sparse));
  if (!sparse) return {};
  if (options.compat == Compat::kAzure) {
    return fail(ErrorKind::kInvalidArgument, "{}: type: Azure takes fixed images only", path);
  }
  const uint32_t block_size = options.block_size;
  if (!std::has_single_bit(block_size) || block_size < kMinBlockSize ||
      block_size > kMaxBlockSize) {
    return fail(ErrorKind::kInvalidArgument,
                "{}: block size: {} is not a power of two from {} to {}; Windows takes 2 MiB only",
                path, block_size, kMinBlockSize, kMaxBlockSize);
  }
  if (options.compat != Compat::kOwn && options.compat != Compat::kQemu9 &&
      block_size != kDefaultBlockSize) {
    return fail(ErrorKind::kInvalidArgument,
                "{}: block size: {} is not 2 MiB, the only one that the chosen reader takes", path,
                block_size);
  }
  const uint64_t blocks = div_ceil<uint64_t>(options.size_bytes, block_size);
  if (blocks > kMaxBatEntries) {
    return fail(ErrorKind::kInvalidArgument,
                "{}: block size: {} bytes make {} blocks, the limit is {}; use larger blocks", path,
                block_size, blocks, kMaxBatEntries);
  }
  return {};
}

uint32_t NewSparse::bitmap_bytes() const {
  return align_up<uint32_t>(div_ceil<uint32_t>(header.block_size / 512, 8), 512);
}

uint64_t NewSparse::data_alignment() const {
  return std::min<uint64_t>(profile.data_alignment, header.block_size);
}

uint64_t NewSparse::next_data(uint64_t end) const {
  return align_up(end + bitmap_bytes(), data_alignment());
}

uint64_t NewSparse::footer_offset(uint64_t end) const {
  // In a file that ends on a page, the first block's bitmap takes the footer's place and the
  // block's data starts on the page behind it.
  return align_up<uint64_t>(end + sizeof(Footer), profile.end_alignment) - sizeof(Footer);
}

SparseHeader make_header(const CreateOptions& options, uint64_t table_offset) {
  SparseHeader header;
  header.cookie = kHeaderCookie;
  header.data_offset = kNoOffset;
  header.table_offset = table_offset;
  header.header_version = kFormatVersion;
  header.max_table_entries =
      static_cast<uint32_t>(div_ceil<uint64_t>(options.size_bytes, options.block_size));
  header.block_size = options.block_size;
  return header;
}

uint64_t table_end(const SparseHeader& header) {
  return header.table_offset + align_up<uint64_t>(uint64_t{header.max_table_entries} * 4, 512);
}

uint64_t batmap_end(const SparseHeader& header, const WriterProfile& profile) {
  const uint64_t batmap = profile.batmap ? sizeof(BatmapHeader) + batmap_bytes(header) : 0;
  return table_end(header) + batmap;
}

NewSparse new_dynamic(const CreateOptions& options) {
  NewSparse image;
  image.profile = profile_of(options.compat);
  image.footer =
      footer_for(options.compat, kDiskTypeDynamic, options.size_bytes, random_unique_id());
  image.header = make_header(options, kDynamicTableOffset);
  image.metadata_end = batmap_end(image.header, image.profile);
  return image;
}

Result<void> write_metadata(const FileView& file, NewSparse image, uint64_t end,
                            std::span<const uint32_t> entries) {
  seal(image.header);
  VIRIDIAN_TRY(write_exact(file, 0, wire_bytes(image.footer), "footer's copy"));
  VIRIDIAN_TRY(write_exact(file, kHeaderOffset, wire_bytes(image.header), "header"));
  VIRIDIAN_TRY(write_table(file, image.header, entries));
  if (image.profile.batmap) VIRIDIAN_TRY(write_batmap(file, image.header, entries));
  return write_exact(file, image.footer_offset(end), wire_bytes(image.footer), "footer");
}

}  // namespace viridian::vhd
