#include "vhd/batmap.h"

#include <algorithm>

#include "base/checked.h"

namespace viridian::vhd {
namespace {

constexpr Tag kXenTag = {'t', 'a', 'p', '\0'};

}  // namespace

Result<void> load_batmap(const FileView& file, uint64_t offset, Image& image,
                         std::vector<Extent>& metadata) {
  if (image.footer.creator_application != kXenTag ||
      !range_within<uint64_t>(offset, sizeof(BatmapHeader), file.size_bytes)) {
    return {};
  }
  // Without a map the first block's bitmap, which a guest shapes, may be here.
  if (std::find(image.bat.begin(), image.bat.end(), offset / 512) != image.bat.end()) return {};
  const auto header = read_struct<BatmapHeader>(file, offset, "batmap header");
  if (!header) return Unexpected(header.error());
  if (header->cookie != kBatmapCookie) return {};

  const uint64_t map_bytes = uint64_t{header->map_sectors} * 512;
  if (!range_within<uint64_t>(header->map_offset, map_bytes, file.size_bytes)) {
    return damaged(file, {"batmap: map_offset", offset + offsetof(BatmapHeader, map_offset)},
                   "is {:#x} with {} bytes, which is not in the file", header->map_offset.get(),
                   map_bytes);
  }
  image.batmap = {offset, header->map_offset, map_bytes, header->key_hash_set != 0};
  metadata.push_back({offset, sizeof(BatmapHeader), "the batmap header"});
  metadata.push_back({header->map_offset, map_bytes, "batmap: map_offset"});
  if (image.batmap->encrypted) {
    image.read_only = true;
    image.warnings.push_back("batmap: the blocks are encrypted; opened for reading, as ciphertext");
  }
  return {};
}

}  // namespace viridian::vhd
