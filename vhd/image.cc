#include "vhd/image.h"

#include <algorithm>

#include "base/checked.h"
#include "vhd/control_io.h"
#include "vhd/footer.h"
#include "vhd/footer_search.h"
#include "vhd/limits.h"
#include "vhd/sparse_load.h"

namespace viridian::vhd {
namespace {

constexpr uint64_t kSector = 512;

Result<Image> load_raw(const FileView& file) {
  Image image;
  image.type = ImageType::kRaw;
  image.file_size_bytes = file.size_bytes;
  image.size_bytes = align_down(file.size_bytes, kSector);
  image.data_end = image.size_bytes;
  if (image.size_bytes == 0) {
    return fail(ErrorKind::kInvalidArgument,
                "{}: size: {} bytes hold no sector; give the path of an image", file.name,
                file.size_bytes);
  }
  if (image.size_bytes != file.size_bytes) {
    image.warnings.push_back(
        fmt::format("size: the last {} bytes are no whole sector and are left out",
                    file.size_bytes - image.size_bytes));
  }
  return image;
}

Field current_size_field(const Image& image) {
  return {"footer: current_size", image.footer_offset + offsetof(Footer, current_size)};
}

Result<void> set_size(const FileView& file, SizeRule rule, Image& image) {
  const uint64_t current = image.footer.current_size;
  if (current == 0 || current % kSector != 0) {
    return damaged(file, current_size_field(image), "is {}, not a positive multiple of 512",
                   current);
  }
  image.size_bytes = disk_size(image.footer, rule);
  if (image.size_bytes == 0) {
    return fail(ErrorKind::kInvalidArgument,
                "{}: footer: geometry gives no size; use the footer's current_size", file.name);
  }
  if (image.size_bytes > kMaxFixedSize) {
    return damaged(file, current_size_field(image), "is {}, more than any file holds", current);
  }
  if (image.size_bytes != current) {
    image.warnings.push_back(
        fmt::format("footer: geometry gives {} bytes and current_size {}: the disk has {}",
                    size_bytes(image.footer.geometry), current, image.size_bytes));
  }
  return {};
}

Result<void> load_fixed(const FileView& file, Image& image) {
  const uint64_t header_offset = image.footer.data_offset;
  // A sparse image that calls itself fixed would show its own metadata as the disk.
  if (range_within<uint64_t>(header_offset, sizeof(SparseHeader), image.footer_offset)) {
    const auto header = read_struct<SparseHeader>(file, header_offset, "header");
    if (!header) return Unexpected(header.error());
    if (header->cookie == kHeaderCookie) {
      return damaged(file, {"footer: disk_type", image.footer_offset + offsetof(Footer, disk_type)},
                     "is 2 (fixed), but data_offset leads to a header");
    }
  }
  if (image.size_bytes > image.footer_offset) {
    return damaged(file, current_size_field(image), "is {}, the file holds {} bytes before it",
                   image.size_bytes, image.footer_offset);
  }
  image.data_end = image.size_bytes;
  return {};
}

Result<Image> load_vhd(const FileView& file, const FoundFooters& found, const OpenPolicy& policy) {
  Image image;
  image.file_size_bytes = file.size_bytes;
  VIRIDIAN_TRY(choose_footer(file, found, image));
  VIRIDIAN_TRY(set_size(file, policy.size_rule, image));
  if (image.type == ImageType::kFixed) {
    VIRIDIAN_TRY(load_fixed(file, image));
  } else {
    VIRIDIAN_TRY(load_sparse(file, found, policy, image));
  }
  if (image.footer.saved_state != 0) {
    image.read_only = true;  // the last warning: whoever wants to write is told this one
    image.warnings.push_back(
        "footer: saved_state is set: a suspended machine goes on with this disk; end it there, or "
        "convert the image to a new one");
  }
  return image;
}

}  // namespace

bool has_vhd_name(std::string_view name) {
  for (std::string_view ending : {".vhd", ".avhd", ".vud"}) {
    if (name.size() < ending.size()) continue;
    const std::string_view tail = name.substr(name.size() - ending.size());
    const auto same = [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a + 32 : a) == b; };
    if (std::equal(tail.begin(), tail.end(), ending.begin(), same)) return true;
  }
  return false;
}

uint64_t disk_size(const Footer& footer, SizeRule rule) {
  const uint64_t product = size_bytes(footer.geometry);
  if (rule == SizeRule::kGeometry) return product;
  if (rule == SizeRule::kCurrentSize) return footer.current_size;
  const Tag& tag = footer.creator_application;
  const bool by_geometry = tag == Tag{'v', 'p', 'c', ' '} || tag == Tag{'q', 'e', 'm', 'u'};
  const bool usable = product != 0 && product < size_bytes(max_geometry());
  return by_geometry && usable ? product : footer.current_size.get();
}

std::string_view to_string(ImageType type) {
  switch (type) {
    case ImageType::kRaw:
      return "raw";
    case ImageType::kFixed:
      return "fixed";
    case ImageType::kDynamic:
      return "dynamic";
    case ImageType::kDifferencing:
      return "differencing";
  }
  return "unknown";
}

Result<Image> load_image(const FileView& file, const OpenPolicy& policy) {
  if (policy.format == Format::kRaw) return load_raw(file);
  const auto found = find_footers(file);
  if (!found) return Unexpected(found.error());
  if (policy.format == Format::kVhd || has_vhd_name(file.name)) {
    return load_vhd(file, *found, policy);
  }
  if (found->last.state == FooterState::kValid || found->copy.state == FooterState::kValid) {
    return fail(
        ErrorKind::kInvalidArgument,
        "{}: name: does not end in .vhd, but the file holds a VHD; give the format (vhdtool: "
        "--format vhd, or raw)",
        file.name);
  }
  return load_raw(file);
}

Result<Image> load_image(int fd, std::string_view name, const OpenPolicy& policy,
                         std::vector<Problem>* problems) {
  auto file = view_file(fd, name);
  if (!file) return Unexpected(file.error());
  file->problems = problems;
  return load_image(*file, policy);
}

}  // namespace viridian::vhd
