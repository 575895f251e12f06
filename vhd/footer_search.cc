#include "vhd/footer_search.h"

#include <algorithm>
#include <array>

#include "base/checked.h"
#include "vhd/footer.h"

namespace viridian::vhd {
namespace {

constexpr uint64_t kFooterBytes = sizeof(Footer);
constexpr uint64_t kShortFooterBytes = kFooterBytes - 1;
constexpr Cookie kPoisonCookie = {'v', '_', 'p', 'o', 'i', 's', 'o', 'n'};
constexpr uint8_t kPoisonByte = 0xc7;

bool checksum_good(const Footer& footer) {
  if (compute_checksum(footer) == footer.checksum.get()) return true;
  // Xen's tools up to 1.1 set the hidden flag, the first reserved byte, without a new checksum.
  Footer visible = footer;
  visible.reserved[0] = 0;
  return footer.reserved[0] != 0 && compute_checksum(visible) == footer.checksum.get();
}

std::string describe(const FooterCandidate& candidate) {
  switch (candidate.state) {
    case FooterState::kValid:
      return "good";
    case FooterState::kAbsent:
      return "absent";
    case FooterState::kPoisoned:
      return "marked as in use by Xen's tools";
    case FooterState::kBadChecksum:
      break;
  }
  return fmt::format("damaged (checksum is {:#010x}, its bytes give {:#010x})",
                     candidate.footer.checksum.get(), compute_checksum(candidate.footer));
}

Result<void> check_fields(const FileView& file, const Footer& footer, Image& image) {
  const auto field = [&](std::string_view name, size_t offset) {
    return Field{fmt::format("footer: {}", name), image.footer_offset + offset};
  };
  const uint32_t version = footer.file_format_version;
  if (version >> 16 != kFormatVersion >> 16) {
    return damaged(file, field("file_format_version", offsetof(Footer, file_format_version)),
                   "is {:#010x}, only 1.x is known", version);
  }
  switch (footer.disk_type.get()) {
    case kDiskTypeFixed:
      image.type = ImageType::kFixed;
      break;
    case kDiskTypeDynamic:
      image.type = ImageType::kDynamic;
      break;
    case kDiskTypeDifferencing:
      image.type = ImageType::kDifferencing;
      break;
    default:
      return damaged(file, field("disk_type", offsetof(Footer, disk_type)),
                     "is {}, not 2 (fixed), 3 (dynamic) or 4 (differencing)",
                     footer.disk_type.get());
  }
  return {};
}

void choose_sparse(const FoundFooters& found, Image& image) {
  const bool last_good = found.last.state == FooterState::kValid;
  const bool copy_good = found.copy.state == FooterState::kValid;
  if (last_good && copy_good) {
    if (found.last.footer == found.copy.footer) return;
    if (header_is_passing(found)) {
      image.footers_damaged = true;
      image.warnings.push_back(
          "footer: a change of the header was cut short; the new header is used");
      return;
    }
    const auto field = essential_difference(found.last.footer, found.copy.footer);
    if (!field.empty()) {
      image.read_only = true;
      image.warnings.push_back(fmt::format(
          "footer: {} differs from its copy at offset 0; opened for reading by the last footer: "
          "convert the image to a new one",
          field));
      return;
    }
  }
  image.footers_damaged = true;
  if (!last_good) {
    image.warnings.push_back(fmt::format("footer: the last one is {}; its copy at offset 0 is used",
                                         describe(found.last)));
  } else if (!copy_good) {
    image.warnings.push_back(
        fmt::format("footer: the copy at offset 0 is {}", describe(found.copy)));
  } else {
    image.warnings.push_back("footer: the copy at offset 0 differs in a field of no effect");
  }
}

Unexpected no_footer(const FileView& file, const FoundFooters& found) {
  if (found.last.state == FooterState::kAbsent && found.copy.state == FooterState::kAbsent) {
    return fail(ErrorKind::kCorrupt,
                "{}: footer: none at the end and no copy at the start: the file is no VHD or has "
                "lost its end; give the format raw if it is a raw image",
                file.name);
  }
  return damaged(file, {"footer:", found.last.offset},
                 "the last one is {}, the copy at offset 0 is {}", describe(found.last),
                 describe(found.copy));
}

}  // namespace

std::string_view essential_difference(const Footer& a, const Footer& b) {
  if (a.disk_type != b.disk_type) return "disk_type";
  if (a.current_size != b.current_size) return "current_size";
  if (a.data_offset != b.data_offset) return "data_offset";
  if (a.geometry != b.geometry) return "geometry";
  if (a.unique_id != b.unique_id) return "unique_id";
  return {};
}

bool header_is_passing(const FoundFooters& found) {
  return found.last.footer.data_offset != found.copy.footer.data_offset &&
         found.last.footer.data_offset + sizeof(SparseHeader) == found.last.offset &&
         found.last.footer.unique_id == found.copy.footer.unique_id &&
         found.last.footer.disk_type == found.copy.footer.disk_type;
}

FooterCandidate judge_footer(std::span<const std::byte> bytes, uint64_t offset) {
  std::array<std::byte, kFooterBytes> whole{};
  std::copy_n(bytes.begin(), std::min(bytes.size(), whole.size()), whole.begin());
  const Footer footer = *read_wire<Footer>(whole);
  const bool all_poison = std::all_of(whole.begin(), whole.end(),
                                      [](std::byte b) { return b == std::byte{kPoisonByte}; });
  FooterState state = FooterState::kAbsent;
  if (all_poison || footer.cookie == kPoisonCookie) {
    state = FooterState::kPoisoned;
  } else if (footer.cookie == kFooterCookie) {
    state = checksum_good(footer) ? FooterState::kValid : FooterState::kBadChecksum;
  }
  return {state, offset, footer};
}

Result<FoundFooters> find_footers(const FileView& file) {
  FoundFooters found;
  std::array<std::byte, kFooterBytes> sector{};
  if (file.size_bytes >= kFooterBytes) {
    const uint64_t offset = file.size_bytes - kFooterBytes;
    VIRIDIAN_TRY(read_exact(file, offset, sector, "footer"));
    found.last = judge_footer(sector, offset);
    const auto tail = std::span<const std::byte>(sector).subspan(1);
    if (found.last.state == FooterState::kAbsent && file.size_bytes % 512 == kShortFooterBytes) {
      found.last = judge_footer(tail, offset + 1);
    }
    VIRIDIAN_TRY(read_exact(file, 0, sector, "footer's copy"));
    found.copy = judge_footer(sector, 0);
  } else if (file.size_bytes == kShortFooterBytes) {
    const auto whole = std::span(sector).first<kShortFooterBytes>();
    VIRIDIAN_TRY(read_exact(file, 0, whole, "footer"));
    found.last = judge_footer(whole, 0);
  }
  return found;
}

Result<void> choose_footer(const FileView& file, const FoundFooters& found, Image& image) {
  const bool last_good = found.last.state == FooterState::kValid;
  // Only a sparse image has a copy; sector 0 of a fixed one is its guest's.
  const bool copy_good = found.copy.state == FooterState::kValid &&
                         found.copy.footer.disk_type.get() != kDiskTypeFixed &&
                         found.last.offset != 0;
  if (!last_good && !copy_good) return no_footer(file, found);
  image.footer = last_good ? found.last.footer : found.copy.footer;
  image.footer_offset = last_good ? found.last.offset : align_up<uint64_t>(file.size_bytes, 512);
  VIRIDIAN_TRY(check_fields(file, image.footer, image));
  image.unique_id = image.footer.unique_id;
  if (image.footer_offset % 512 != 0) {
    image.read_only = true;
    image.warnings.push_back("footer: its offset is no multiple of 512; opened for reading");
  }
  if (image.type == ImageType::kFixed) return {};
  choose_sparse(found, image);
  return {};
}

}  // namespace viridian::vhd
