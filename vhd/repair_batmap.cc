#include <algorithm>

#include "base/checked.h"
#include "vhd/repair_plan.h"

namespace viridian::vhd {
namespace {

constexpr uint64_t kSector = 512;
constexpr uint32_t kSignedSumVersion = 0x00010001;  // Xen's 1.1 added the bytes as signed ones

bool bit(std::span<const std::byte> bits, uint64_t index) {
  return (std::to_integer<unsigned>(bits[index / 8]) >> (7 - index % 8) & 1) != 0;
}

uint32_t map_checksum(std::span<const std::byte> map, uint32_t version) {
  uint32_t sum = 0;
  for (std::byte byte : map) {
    const auto value = std::to_integer<uint8_t>(byte);
    sum += version == kSignedSumVersion ? static_cast<uint32_t>(static_cast<int8_t>(value)) : value;
  }
  return ~sum;
}

// Whether every sector of the block that is on the disk is in use.
Result<bool> is_full(const FileView& file, const Image& image, uint64_t block,
                     std::vector<std::byte>& bitmap) {
  if (image.bat[block] == kUnusedEntry) return false;
  bitmap.resize(image.bitmap_bytes);
  VIRIDIAN_TRY(read_exact(file, image.bat[block] * kSector, bitmap, "sector bitmap"));
  const uint64_t sectors = std::min<uint64_t>(
      image.block_size / kSector, (image.size_bytes - block * image.block_size) / kSector);
  const auto whole = std::span(bitmap).first(sectors / 8);
  if (std::any_of(whole.begin(), whole.end(), [](std::byte b) { return b != std::byte{0xff}; })) {
    return false;
  }
  for (uint64_t sector = sectors / 8 * 8; sector < sectors; ++sector) {
    if (!bit(bitmap, sector)) return false;
  }
  return true;
}

}  // namespace

Result<void> cure_batmap(const FileView& file, const Image& image, RepairPlan& plan) {
  if (!image.batmap) return {};
  const Batmap& place = *image.batmap;
  const uint64_t needed = div_ceil<uint64_t>(image.bat.size(), 8);
  if (place.encrypted || place.map_bytes < needed || place.map_bytes > 2 * needed + 4096) return {};
  const auto header = read_struct<BatmapHeader>(file, place.header_offset, "batmap header");
  if (!header) return Unexpected(header.error());
  std::vector<std::byte> map(place.map_bytes);
  VIRIDIAN_TRY(read_exact(file, place.map_offset, map, "batmap"));
  if (const uint32_t sum = map_checksum(map, header->version); sum != header->checksum.get()) {
    add_flaw(plan, "batmap-checksum", "batmap: checksum",
             place.header_offset + offsetof(BatmapHeader, checksum),
             fmt::format("is {:#010x}, the map's bytes give {:#010x}", header->checksum.get(), sum))
        .harmless = true;
  }
  const std::vector<std::byte> old = map;
  std::vector<std::byte> bitmap;
  for (uint64_t block = 0; block < image.bat.size(); ++block) {
    if (!bit(map, block)) continue;
    const auto full = is_full(file, image, block, bitmap);
    if (!full) return Unexpected(full.error());
    if (*full) continue;
    map[block / 8] &= ~static_cast<std::byte>(0x80 >> block % 8);
    add_flaw(plan, "batmap-stale", fmt::format("batmap: block {}", block),
             place.map_offset + block / 8, fmt::format("calls block {} full, and it is not", block))
        .harmless = true;
  }
  const auto first = std::mismatch(map.begin(), map.end(), old.begin()).first - map.begin();
  if (const auto begin = static_cast<size_t>(first); begin < map.size()) {
    const size_t length = std::min<size_t>(map.size(), needed) - begin;
    const auto piece = [&](const std::vector<std::byte>& from) {
      const auto part = std::span(from).subspan(begin, length);
      return std::vector<std::byte>(part.begin(), part.end());
    };
    add_change(plan, file,
               {Stage::kBatmap, "batmap-stale", "batmap", place.map_offset + begin, piece(old),
                piece(map), "blocks that are not full are no longer called full"});
  }
  const be32 sum = map_checksum(map, header->version);
  const auto before = wire_bytes(header->checksum);
  const auto after = wire_bytes(sum);
  add_change(plan, file,
             {Stage::kBatmapHeader,
              "batmap-checksum",
              "batmap: checksum",
              place.header_offset + offsetof(BatmapHeader, checksum),
              {before.begin(), before.end()},
              {after.begin(), after.end()},
              "the sum of the map's bytes"});
  return {};
}

}  // namespace viridian::vhd
