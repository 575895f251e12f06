#include "vhd/tool/check_blocks.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/checked.h"
#include "vhd/control_io.h"

namespace viridian::vhd::tool {
namespace {

constexpr uint64_t kSector = 512;
constexpr std::string_view kTable = "block table";

class BlockCheck {
 public:
  BlockCheck(const FileView& file, const ChainLink& link, std::vector<Finding>& findings)
      : file_(file), path_(link.path), image_(link.image), findings_(findings) {}

  Result<void> run() {
    bitmap_.resize(image_.bitmap_bytes);
    data_.resize(image_.block_size);
    VIRIDIAN_TRY(check_table_padding());
    uint64_t blocks = 0;
    for (size_t i = 0; i < image_.bat.size() && findings_.size() < kMaxFindings; ++i) {
      if (image_.bat[i] == kUnusedEntry) continue;
      ++blocks;
      VIRIDIAN_TRY(check_block(i));
    }
    const uint64_t used = blocks * (image_.block_size + uint64_t{image_.bitmap_bytes});
    const uint64_t wasted = image_.file_size_bytes - std::min(image_.file_size_bytes, used);
    // Metadata, and gaps that align blocks, take less than a 4 KiB page for each block and entry.
    if (wasted >
        image_.block_size + image_.header.max_table_entries * uint64_t{4} + blocks * 4096) {
      add(Severity::kNote, "lost-space", "blocks", image_.data_end,
          fmt::format("about {} bytes of the file belong to no block", wasted));
    }
    return {};
  }

 private:
  void add(Severity severity, std::string_view name, std::string field, uint64_t offset,
           std::string text) {
    findings_.push_back({severity, name, path_, std::move(field), offset, std::move(text), {}});
  }

  Result<void> check_table_padding() {
    const uint64_t end = image_.bat_offset + uint64_t{image_.header.max_table_entries} * 4;
    std::array<std::byte, kSector> bytes;
    const auto padding = std::span(bytes).first(align_up(end, kSector) - end);
    if (align_up(end, kSector) > file_.size_bytes) return {};
    VIRIDIAN_TRY(read_exact(file_, end, padding, kTable));
    const bool good = std::all_of(padding.begin(), padding.end(),
                                  [](std::byte byte) { return byte == std::byte{0xff}; });
    if (!good) add(Severity::kNote, "table-padding", "block table", end, "its padding is not 0xFF");
    return {};
  }

  bool bit(std::span<const std::byte> bits, size_t index) const {
    return (std::to_integer<unsigned>(bits[index / 8]) >> (7 - index % 8) & 1) != 0;
  }

  Result<void> check_block(size_t index) {
    const uint64_t bitmap_at = image_.bat[index] * kSector;
    VIRIDIAN_TRY(read_exact(file_, bitmap_at, bitmap_, "sector bitmap"));
    const std::string field = fmt::format("sector bitmap of block {}", index);
    const size_t sectors = image_.block_size / kSector;
    const auto padding = std::span(bitmap_).subspan(div_ceil<size_t>(sectors, 8));
    if (std::any_of(padding.begin(), padding.end(), [](std::byte b) { return b != std::byte{0}; }))
      add(Severity::kNote, "bitmap-padding", field, bitmap_at, "its padding is not zero");

    size_t unset = 0;
    // Only the disk's sectors: of the last block, what is behind its end may be either.
    const uint64_t in_disk =
        std::min<uint64_t>(sectors, (image_.size_bytes - index * image_.block_size) / kSector);
    for (size_t sector = 0; sector < in_disk; ++sector)
      unset += !bit(bitmap_, sector);
    if (unset > 0 && image_.type == ImageType::kDynamic) return check_unused(index, in_disk, field);
    return {};
  }

  // In a dynamic image unused sectors are zero: QEMU reads them without a look at the bitmap.
  Result<void> check_unused(size_t index, uint64_t in_disk, const std::string& field) {
    const uint64_t data_at = image_.bat[index] * kSector + image_.bitmap_bytes;
    VIRIDIAN_TRY(read_exact(file_, data_at, data_, "block"));
    for (size_t sector = 0; sector < in_disk; ++sector) {
      if (bit(bitmap_, sector)) continue;
      const auto bytes = std::span(data_).subspan(sector * kSector, kSector);
      if (std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; }))
        continue;
      add(Severity::kWarning, "unused-not-zero", field, data_at + sector * kSector,
          fmt::format("calls sector {} unused, but it is not zero: programs that ignore the bitmap "
                      "read other data",
                      sector));
      return {};
    }
    return {};
  }

  const FileView& file_;
  const std::string& path_;
  const Image& image_;
  std::vector<Finding>& findings_;
  std::vector<std::byte> bitmap_;
  std::vector<std::byte> data_;
};

}  // namespace

Result<void> check_blocks(const ChainLink& link, std::vector<Finding>& findings) {
  if (link.image.bat.empty()) return {};
  const auto file = view_file(link.fd.get(), link.path);
  if (!file) return Unexpected(file.error());
  return BlockCheck(*file, link, findings).run();
}

}  // namespace viridian::vhd::tool
