#include "vhd/footer.h"

#include <sys/random.h>

#include <algorithm>
#include <ctime>

namespace viridian::vhd {
namespace {

constexpr Tag kOwnTag = {'v', 'i', 'r', 'd'};
constexpr uint32_t kOwnVersion = 0x00000001;
constexpr Tag kWindowsTag = {'W', 'i', '2', 'k'};  // the only host system besides "Mac " defined

template <WireStruct T>
uint32_t checksum_of(T copy) {
  copy.checksum = 0;
  uint32_t sum = 0;
  for (std::byte byte : wire_bytes(copy))
    sum += std::to_integer<uint32_t>(byte);
  return ~sum;
}

}  // namespace

uint32_t compute_checksum(const Footer& footer) { return checksum_of(footer); }
uint32_t compute_checksum(const SparseHeader& header) { return checksum_of(header); }
void seal(Footer& footer) { footer.checksum = compute_checksum(footer); }
void seal(SparseHeader& header) { header.checksum = compute_checksum(header); }

Geometry geometry_for(uint64_t size_bytes) {
  constexpr uint64_t kMaxSectors = 65535ull * 16 * 255;
  const auto sectors = static_cast<uint32_t>(std::min<uint64_t>(size_bytes / 512, kMaxSectors));
  uint32_t sectors_per_track;
  uint32_t heads;
  uint32_t cylinders_times_heads;
  if (sectors >= 65535u * 16 * 63) {
    sectors_per_track = 255;
    heads = 16;
    cylinders_times_heads = sectors / sectors_per_track;
  } else {
    sectors_per_track = 17;
    cylinders_times_heads = sectors / sectors_per_track;
    heads = std::max(4u, (cylinders_times_heads + 1023) / 1024);
    if (cylinders_times_heads >= heads * 1024 || heads > 16) {
      sectors_per_track = 31;
      heads = 16;
      cylinders_times_heads = sectors / sectors_per_track;
    }
    if (cylinders_times_heads >= heads * 1024) {
      sectors_per_track = 63;
      heads = 16;
      cylinders_times_heads = sectors / sectors_per_track;
    }
  }
  return {be16(static_cast<uint16_t>(cylinders_times_heads / heads)), static_cast<uint8_t>(heads),
          static_cast<uint8_t>(sectors_per_track)};
}

uint32_t time_stamp_now() {
  const int64_t since_epoch = std::time(nullptr) - kEpochUnixSeconds;
  return since_epoch < 0 ? 0 : static_cast<uint32_t>(since_epoch);
}

UniqueId random_unique_id() {
  UniqueId id{};
  // Up to 256 bytes come whole once the kernel's generator is ready, which it is since boot.
  while (getrandom(id.data(), id.size(), 0) != static_cast<ssize_t>(id.size())) {
  }
  id[6] = static_cast<uint8_t>((id[6] & 0x0f) | 0x40);  // RFC 4122, 4.4: version 4
  id[8] = static_cast<uint8_t>((id[8] & 0x3f) | 0x80);
  return id;
}

Footer make_footer(uint32_t disk_type, uint64_t size_bytes, const UniqueId& unique_id) {
  Footer footer;
  footer.cookie = kFooterCookie;
  footer.features = kFeatureReserved;
  footer.file_format_version = kFormatVersion;
  footer.data_offset = disk_type == kDiskTypeFixed ? kNoOffset : sizeof(Footer);
  footer.time_stamp = time_stamp_now();
  footer.creator_application = kOwnTag;
  footer.creator_version = kOwnVersion;
  footer.creator_host_os = kWindowsTag;
  footer.original_size = size_bytes;
  footer.current_size = size_bytes;
  // QEMU up to 9 takes the geometry's product from an unknown creator, unless it is the largest.
  footer.geometry = geometry_for(size_bytes);
  if (vhd::size_bytes(footer.geometry) != size_bytes) footer.geometry = max_geometry();
  footer.disk_type = disk_type;
  footer.unique_id = unique_id;
  seal(footer);
  return footer;
}

}  // namespace viridian::vhd
