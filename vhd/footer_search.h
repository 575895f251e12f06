// Finds an image's footer: VHD specification 1.0, "Hard Disk Footer Format".
//
// Looked for at EOF - 512, at EOF - 511 (before Virtual PC 2004 the last byte was missing) and, in
// a sparse image, at 0, where its copy is. docs/vhd-format.md says which one counts when they
// disagree and what may then be written.
#pragma once

#include <optional>

#include "vhd/control_io.h"
#include "vhd/image.h"

namespace viridian::vhd {

enum class FooterState : uint8_t {
  kValid,
  kAbsent,       // no cookie
  kBadChecksum,  // a cookie, and bytes that do not add up
  kPoisoned,     // Xen's mark of an image that was open for writing, or disabled
};

// One place where a footer may be.
struct FooterCandidate {
  FooterState state = FooterState::kAbsent;
  uint64_t offset = 0;
  Footer footer;  // if kValid or kBadChecksum
};

struct FoundFooters {
  FooterCandidate last;
  FooterCandidate copy;
};

// Of any bytes, VHD or not.
Result<FoundFooters> find_footers(const FileView& file);

// Judges a sector as a footer. 511 bytes are a footer without its last byte.
FooterCandidate judge_footer(std::span<const std::byte> bytes, uint64_t offset);

// The first field in which two footers differ, of those that decide what the image is.
std::string_view essential_difference(const Footer& a, const Footer& b);

// Of two good footers: a change of the header was cut short (header_update.h), the last one counts.
bool header_is_passing(const FoundFooters& found);

// Sets `image`'s footer, footer_offset, footers_damaged, read_only and warnings, and checks the
// footer's own fields.
Result<void> choose_footer(const FileView& file, const FoundFooters& found, Image& image);

}  // namespace viridian::vhd
