#include "vhd/writer_profile.h"

#include "base/checked.h"
#include "vhd/footer.h"
#include "vhd/limits.h"

namespace viridian::vhd {
namespace {

using Shape = WriterProfile::Shape;
using Parents = WriterProfile::Parents;

constexpr Tag kWindows = {'W', 'i', '2', 'k'};
constexpr Tag kWin = {'w', 'i', 'n', ' '};
constexpr uint32_t kWindows10 = 0x000a0000;
constexpr uint32_t kVirtualPc2007 = 0x00050003;
constexpr uint32_t kTap = 0x00010003;
constexpr uint32_t kMiB = 1u << 20;

constexpr WriterProfile kOwnProfile = {{'v', 'i', 'r', 'd'}, 1, kWindows, Shape::kExactOrMax};
constexpr WriterProfile kHyperVProfile = {kWin, kWindows10, kWindows};
constexpr WriterProfile kVpcProfile = {
    {'v', 'p', 'c', ' '}, kVirtualPc2007, kWindows, Shape::kSize, Parents::kClassic, 512, 512};
constexpr WriterProfile kXenProfile = {{'t', 'a', 'p', 0}, kTap, {},  Shape::kRoundedDown,
                                       Parents::kXen,      4096, 512, true};
constexpr WriterProfile kQemuProfile = {
    {'q', 'e', 'm', '2'}, kVirtualPc2007, kWindows, Shape::kMax};
constexpr WriterProfile kAzureProfile = {
    kWin, kWindows10, kWindows, Shape::kRoundedDown, Parents::kWindows10, 4096, 4096, false, kMiB};

// The smallest size from `size_bytes` on that a geometry gives exactly; 0 if there is none.
uint64_t geometry_size_from(uint64_t size_bytes) {
  if (size_bytes >= vhd::size_bytes(max_geometry())) return 0;
  for (uint64_t asked = size_bytes;; asked += 512) {
    const uint64_t product = vhd::size_bytes(geometry_for(asked));
    if (product >= size_bytes) return product;
  }
}

}  // namespace

const WriterProfile& profile_of(Compat compat) {
  switch (compat) {
    case Compat::kOwn:
      break;
    case Compat::kHyperV:
      return kHyperVProfile;
    case Compat::kVpc2007:
      return kVpcProfile;
    case Compat::kXen:
      return kXenProfile;
    case Compat::kQemu9:
      return kQemuProfile;
    case Compat::kAzure:
      return kAzureProfile;
  }
  return kOwnProfile;
}

Result<uint64_t> size_for(Compat compat, uint64_t size_bytes) {
  const WriterProfile& profile = profile_of(compat);
  if (size_bytes > kMaxFixedSize) return size_bytes;  // whoever makes the image refuses it
  if (profile.shape != Shape::kSize) {
    // No part of a sector is made whole: it may be a slip.
    return profile.size_unit == 512 ? size_bytes
                                    : align_up<uint64_t>(size_bytes, profile.size_unit);
  }
  const uint64_t size = geometry_size_from(size_bytes);
  if (size == 0) {
    return fail(ErrorKind::kInvalidArgument,
                "size: {} bytes are more than Virtual PC's 127 GiB; leave out --compat vpc2007",
                size_bytes);
  }
  return size;
}

Footer footer_for(Compat compat, uint32_t disk_type, uint64_t size_bytes, const UniqueId& id) {
  const WriterProfile& profile = profile_of(compat);
  Footer footer = make_footer(disk_type, size_bytes, id);
  footer.creator_application = profile.application;
  footer.creator_version = profile.version;
  footer.creator_host_os = profile.host_os;
  const Geometry geometry = geometry_for(size_bytes);
  const bool exact = vhd::size_bytes(geometry) == size_bytes;
  const bool largest =
      profile.shape == Shape::kMax || (profile.shape == Shape::kExactOrMax && !exact);
  footer.geometry = largest ? max_geometry() : geometry;
  seal(footer);
  return footer;
}

}  // namespace viridian::vhd
