#include "vhd/locators.h"

#include <algorithm>
#include <cctype>

#include "base/checked.h"
#include "vhd/limits.h"
#include "vhd/text.h"

namespace viridian::vhd {
namespace {

constexpr uint64_t kMaxLocatorSpace = 1u << 20;  // more is a wrong unit, or a lie

std::string read_name(const SparseHeader& header) {
  std::vector<uint16_t> units;
  for (const be16& unit : header.parent_unicode_name) {
    if (unit.get() == 0) break;
    units.push_back(unit);
  }
  return utf8_from_utf16(units);
}

std::string utf8_from_bytes(const std::vector<std::byte>& bytes) {
  std::vector<uint16_t> units;
  for (size_t i = 0; i + 1 < bytes.size(); i += 2) {
    const auto unit = std::to_integer<unsigned>(bytes[i]) | std::to_integer<unsigned>(bytes[i + 1])
                                                                << 8;
    if (unit == 0) break;
    units.push_back(static_cast<uint16_t>(unit));
  }
  return utf8_from_utf16(units);
}

// Writers disagree on the unit of the space: libvhd's rule tells sectors from bytes.
uint64_t reserved_bytes(const ParentLocator& entry) {
  const uint64_t space = entry.platform_data_space;
  if (space < 512) return space * 512;
  return space % 512 == 0 ? space : 0;
}

bool holds_path(uint32_t code) {
  return code == kLocatorW2ru || code == kLocatorW2ku || code == kLocatorMacX;
}

Result<void> load_locator(const FileView& file, size_t index, Image& image,
                          std::vector<Extent>& metadata) {
  const ParentLocator& entry = image.header.parent_locators[index];
  const std::string field = fmt::format("parent_locators[{}]", index);
  const uint64_t entry_offset = image.footer.data_offset + offsetof(SparseHeader, parent_locators) +
                                index * sizeof(ParentLocator);
  const uint32_t code = entry.platform_code;
  const uint32_t length = entry.platform_data_length;
  const uint64_t offset = entry.platform_data_offset;
  if (length > kMaxLocatorBytes || !range_within<uint64_t>(offset, length, file.size_bytes)) {
    return damaged(file, {std::string(field), entry_offset},
                   "({}) has {} bytes at offset {:#x}, which is not in the file",
                   locator_name(code), length, offset);
  }
  metadata.push_back({offset, length, field, true});
  // What the writer set aside is kept free of new blocks, but it proves nothing.
  const uint64_t space = reserved_bytes(entry);
  if (range_within<uint64_t>(offset, space, image.footer_offset)) {
    image.data_end = std::max(image.data_end, offset + space);
  }
  if (!holds_path(code) || length == 0 || (code != kLocatorMacX && length % 2 != 0)) {
    image.warnings.push_back(fmt::format("{} ({}, {} bytes) is no path and is ignored", field,
                                         locator_name(code), length));
    return {};
  }
  std::vector<std::byte> bytes(length);
  VIRIDIAN_TRY(read_exact(file, offset, bytes, field));
  Locator locator{code, offset, length, {}};
  if (code == kLocatorMacX) {
    for (std::byte byte : bytes)
      locator.path.push_back(std::to_integer<char>(byte));
    locator.path.resize(std::min(locator.path.find('\0'), locator.path.size()));
  } else {
    locator.path = utf8_from_bytes(bytes);
  }
  image.locators.push_back(std::move(locator));
  return {};
}

}  // namespace

Result<void> load_parent(const FileView& file, const OpenPolicy& policy, Image& image,
                         std::vector<Extent>& metadata) {
  const SparseHeader& header = image.header;
  image.parent_unique_id = header.parent_unique_id;
  image.parent_time_stamp = header.parent_time_stamp;
  image.parent_name = read_name(header);
  for (size_t i = 0; i < header.parent_locators.size(); ++i) {
    if (header.parent_locators[i].platform_code.get() == kLocatorNone) continue;
    VIRIDIAN_TRY(load_locator(file, i, image, metadata));
  }
  const bool names_parent = !image.parent_name.empty() || !image.locators.empty();
  if (!names_parent && policy.parent_override.empty()) {
    return damaged(file,
                   {"header: parent_unicode_name",
                    image.footer.data_offset + offsetof(SparseHeader, parent_unicode_name)},
                   "and all parent_locators are empty, so the "
                   "differencing image has no parent; give the parent");
  }
  return {};
}

uint64_t locator_space(const Image& image, const ParentLocator& entry) {
  const uint64_t length = entry.platform_data_length;
  const uint64_t space = reserved_bytes(entry);
  const bool told = space <= kMaxLocatorSpace &&
                    range_within<uint64_t>(entry.platform_data_offset, space, image.footer_offset);
  return told ? std::max(length, space) : length;
}

std::string locator_name(uint32_t platform_code) {
  std::string name;
  for (int shift = 24; shift >= 0; shift -= 8) {
    const auto byte = static_cast<unsigned char>(platform_code >> shift);
    if (!std::isalnum(byte) && byte != ' ') return fmt::format("{:#010x}", platform_code);
    name.push_back(static_cast<char>(byte));
  }
  return name;
}

}  // namespace viridian::vhd
