// What the sectors of a disk hold in the crash tests: each write gives each sector a number of its
// own, so a sector says which write it is from, and no two blocks ever hold the same bytes.
#pragma once

#include <algorithm>
#include <cstring>
#include <optional>
#include <span>
#include <vector>

#include "vhd/image.h"
#include "vhd/layer.h"

namespace viridian::vhd {

using Content = uint32_t;  // 0: zeroes
constexpr Content kContentFactor = 2654435761u;

inline void fill_sector(std::byte* sector, Content content) {
  for (uint32_t i = 0; i < kSectorBytes; i += sizeof(Content)) {
    const Content value = content == 0 ? 0 : content * kContentFactor + i;
    std::memcpy(sector + i, &value, sizeof(value));
  }
}

// Nothing: no write was ever of these bytes.
inline std::optional<Content> content_of(const std::byte* sector) {
  constexpr Content kInverse = 244002641u;
  static_assert(kInverse * kContentFactor == 1u);
  Content words[kSectorBytes / sizeof(Content)];
  std::memcpy(words, sector, sizeof(words));
  Content wrong = 0;
  if (words[0] == 0) {
    for (const Content word : words)
      wrong |= word;
    return wrong == 0 ? std::optional<Content>(0) : std::nullopt;
  }
  for (uint32_t i = 0; i < std::size(words); ++i)
    wrong |= words[i] ^ (words[0] + i * static_cast<uint32_t>(sizeof(Content)));
  return wrong == 0 ? std::optional<Content>(words[0] * kInverse) : std::nullopt;
}

// What a disk shows by its file alone, read as the specification says and by no code of the engine:
// `file` is the leaf's, which `image` describes, and `parent` what the disk below it shows.
inline std::optional<std::vector<Content>> contents_by_format(const Image& image,
                                                              std::span<const std::byte> file,
                                                              const std::vector<Content>& parent) {
  std::vector<Content> all(image.size_bytes / kSectorBytes);
  if (image.type == ImageType::kFixed) {
    for (size_t i = 0; i < all.size(); ++i) {
      const auto content = content_of(file.data() + i * kSectorBytes);
      if (!content) return std::nullopt;
      all[i] = *content;
    }
    return all;
  }
  const size_t per_block = image.block_size / kSectorBytes;
  for (size_t i = 0; i < all.size(); ++i) {
    const uint32_t place = image.bat[i / per_block];
    const size_t in_block = i % per_block;
    bool here = place != kUnusedEntry;
    if (here) {
      const std::byte bits = file[place * uint64_t{kSectorBytes} + in_block / 8];
      here = (std::to_integer<unsigned>(bits) >> (7 - in_block % 8) & 1) != 0;
    }
    if (!here) {
      all[i] = i < parent.size() ? parent[i] : 0;
      continue;
    }
    const auto content = content_of(file.data() + place * uint64_t{kSectorBytes} +
                                    image.bitmap_bytes + in_block * kSectorBytes);
    if (!content) return std::nullopt;
    all[i] = *content;
  }
  return all;
}

}  // namespace viridian::vhd
