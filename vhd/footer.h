// Footers and headers: checksums, geometry, time, and the footer of a new image.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "vhd/vhd_format.h"

namespace viridian::vhd {

// Ones' complement of the sum of all bytes but the checksum's own.
uint32_t compute_checksum(const Footer& footer);
uint32_t compute_checksum(const SparseHeader& header);
// Sets the checksum; to be called after the last change.
void seal(Footer& footer);
void seal(SparseHeader& header);

constexpr uint64_t size_bytes(const Geometry& geometry) {
  return uint64_t{geometry.cylinders.get()} * geometry.heads * geometry.sectors_per_track * 512;
}
constexpr Geometry max_geometry() { return {be16(65535), 16, 255}; }

// "Appendix: CHS Calculation"; its product is at most `size_bytes`.
Geometry geometry_for(uint64_t size_bytes);

uint32_t time_stamp_now();
UniqueId random_unique_id();

// A sealed footer of this project for a new image.
Footer make_footer(uint32_t disk_type, uint64_t size_bytes, const UniqueId& unique_id);

}  // namespace viridian::vhd
