#include "vhd/reparent.h"

#include <algorithm>
#include <cctype>

#include "base/checked.h"
#include "vhd/header_update.h"
#include "vhd/limits.h"
#include "vhd/parent_paths.h"

namespace viridian::vhd {
namespace {

constexpr uint64_t kSector = 512;
constexpr size_t kGapsTried = 64;

struct Path {
  uint32_t code = 0;
  std::vector<std::byte> text;
  uint64_t space() const { return align_up<uint64_t>(text.size(), kSector); }
};

Result<Path> windows_path(uint32_t code, const std::string& posix_path) {
  const auto units = utf16_of_path(windows_from_posix(posix_path));
  if (!units) return Unexpected(units.error());
  const std::vector<le16> text(units->begin(), units->end());
  const auto bytes = std::as_bytes(std::span(text));
  return Path{code, {bytes.begin(), bytes.end()}};
}

// Xen's tools read and write the path as it is; a URL elsewhere.
Path mac_path(const Image& image, const std::string& posix_path) {
  const bool raw = image.footer.creator_application == Tag{'t', 'a', 'p', '\0'};
  std::string url = "file://";
  for (char c : posix_path) {
    const bool plain = std::isalnum(static_cast<unsigned char>(c)) != 0 ||
                       std::string_view("/-._~").find(c) != std::string_view::npos;
    url += raw || plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<uint8_t>(c));
  }
  const auto bytes = std::as_bytes(std::span(url));
  return {kLocatorMacX, {bytes.begin(), bytes.end()}};
}

Result<std::vector<Path>> paths_to(const Image& image, const ParentRecord& parent) {
  std::vector<Path> paths;
  const auto& old = image.header.parent_locators;
  if (std::any_of(old.begin(), old.end(), [](const ParentLocator& one) {
        return one.platform_code.get() == kLocatorMacX;
      })) {
    paths.push_back(mac_path(image, parent.path));
  }
  auto absolute = windows_path(kLocatorW2ku, parent.path);
  auto relative = windows_path(kLocatorW2ru, parent.relative_path);
  if (!absolute) return Unexpected(absolute.error());
  if (!relative) return Unexpected(relative.error());
  paths.push_back(std::move(*absolute));
  paths.push_back(std::move(*relative));
  for (const Path& path : paths) {
    if (path.text.size() <= kMaxLocatorBytes) continue;
    return fail(ErrorKind::kInvalidArgument, "{}: path: is too long for a VHD", parent.path);
  }
  return paths;
}

struct Used {
  uint64_t offset;
  uint64_t end;
};

// Everything in the file that has a meaning, in order.
std::vector<Used> used_places(const Image& image) {
  std::vector<Used> used;
  const auto add = [&](uint64_t offset, uint64_t length) {
    used.push_back({offset, align_up(offset + length, kSector)});
  };
  add(0, sizeof(Footer));
  add(image.footer.data_offset, sizeof(SparseHeader));
  add(image.bat_offset, uint64_t{image.header.max_table_entries} * sizeof(be32));
  if (image.batmap) {
    add(image.batmap->header_offset, sizeof(BatmapHeader));
    add(image.batmap->map_offset, image.batmap->map_bytes);
  }
  for (const ParentLocator& one : image.header.parent_locators) {
    if (one.platform_code.get() == kLocatorNone) continue;
    // In bytes or in sectors: the smaller meaning of a wrong one does no harm, since only zeroes
    // are written to.
    const uint64_t space = one.platform_data_space;
    add(one.platform_data_offset,
        std::max<uint64_t>(one.platform_data_length, space < kSector ? space * kSector : space));
  }
  for (uint32_t sector : image.bat) {
    if (sector == kUnusedEntry) continue;
    add(sector * kSector, uint64_t{image.bitmap_bytes} + image.block_size);
  }
  std::sort(used.begin(), used.end(),
            [](const Used& a, const Used& b) { return a.offset < b.offset; });
  return used;
}

Result<bool> is_zero(const io::File& file, uint64_t offset, uint64_t length) {
  std::vector<std::byte> bytes(length);
  const auto there = file.read_at(offset, bytes);
  if (!there) return Unexpected(there.error());
  return *there == length &&
         std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
}

// Room of `length` bytes between what is used, where only zeroes are; else behind everything.
Result<uint64_t> find_room(const io::File& file, const Image& image, uint64_t length) {
  uint64_t end = 0;
  size_t tried = 0;
  for (const Used& one : used_places(image)) {
    if (one.offset >= end + length && tried++ < kGapsTried && one.offset <= image.data_end) {
      const auto zero = is_zero(file, end, length);
      if (!zero) return Unexpected(zero.error());
      if (*zero) return end;
    }
    end = std::max(end, one.end);
  }
  return align_up(image.data_end, kSector);
}

Result<void> make_footers_good(io::File& file, const Image& image) {
  if (!image.footers_damaged) return {};
  VIRIDIAN_TRY(file.write_at(image.footer_offset, wire_bytes(image.footer)));
  VIRIDIAN_TRY(file.write_at(0, wire_bytes(image.footer)));
  return file.sync();
}

// The old paths, which no header leads to any more: room for the next ones.
Result<void> clear_old_paths(io::File& file, const Image& image) {
  for (const Locator& one : image.locators) {
    const std::vector<std::byte> zeroes(one.length);
    VIRIDIAN_TRY(file.write_at(one.offset, zeroes));
  }
  return file.sync();
}

}  // namespace

Result<void> write_parent(io::File& file, const Image& image, const ParentRecord& parent) {
  const auto paths = paths_to(image, parent);
  if (!paths) return Unexpected(paths.error());
  HeaderUpdate update = {image.header, image.footer, image.footer_offset};
  VIRIDIAN_TRY(set_parent(parent, update.header));
  uint64_t length = 0;
  for (const Path& path : *paths)
    length += path.space();
  const auto room = find_room(file, image, length);
  if (!room) return Unexpected(room.error());
  const uint64_t end = *room + length;
  if (*room >= align_up(image.data_end, kSector) && end > image.footer_offset) {
    // The footer goes behind them, so that the file ends on a page and the next block is aligned.
    update.footer_offset = align_up(end + sizeof(Footer), kDataAlignment) - sizeof(Footer);
  }
  VIRIDIAN_TRY(make_footers_good(file, image));
  update.header.parent_locators.fill({});
  uint64_t at = *room;
  for (size_t i = 0; i < paths->size(); ++i) {
    const Path& path = (*paths)[i];
    ParentLocator& entry = update.header.parent_locators[i];
    entry.platform_code = path.code;
    entry.platform_data_space = static_cast<uint32_t>(path.space());
    entry.platform_data_length = static_cast<uint32_t>(path.text.size());
    entry.platform_data_offset = at;
    VIRIDIAN_TRY(file.write_at(at, path.text));
    at += path.space();
  }
  VIRIDIAN_TRY(update_header(file, update));
  return clear_old_paths(file, image);
}

}  // namespace viridian::vhd
