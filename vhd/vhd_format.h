// The bytes of a VHD file: Microsoft's "Virtual Hard Disk Image Format Specification" 1.0
// (2006-10-11), and the block map that Xen's tools put beside it.
//
// All integers are big-endian. Reserved bytes carry other programs' data (Xen's "hidden" flag,
// simh's drive description): ignored on read, kept on rewrite, zero in new images.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/endian.h"

namespace viridian::vhd {

using Cookie = std::array<char, 8>;
using Tag = std::array<char, 4>;
using UniqueId = std::array<uint8_t, 16>;  // raw bytes: writers disagree on the order within

constexpr Cookie kFooterCookie = {'c', 'o', 'n', 'e', 'c', 't', 'i', 'x'};
constexpr Cookie kHeaderCookie = {'c', 'x', 's', 'p', 'a', 'r', 's', 'e'};
constexpr Cookie kBatmapCookie = {'t', 'd', 'b', 'a', 't', 'm', 'a', 'p'};

constexpr uint32_t kFormatVersion = 0x00010000;   // of footer and header: major 1, minor 0
constexpr uint32_t kFeatureReserved = 0x2;        // always set
constexpr uint64_t kNoOffset = ~uint64_t{0};      // data_offset of a fixed disk and of the header
constexpr uint32_t kUnusedEntry = ~uint32_t{0};   // of the block allocation table
constexpr int64_t kEpochUnixSeconds = 946684800;  // time stamps count from 2000-01-01 UTC

// "Hard Disk Footer Format", Disk Type. The other values are reserved.
constexpr uint32_t kDiskTypeFixed = 2;
constexpr uint32_t kDiskTypeDynamic = 3;
constexpr uint32_t kDiskTypeDifferencing = 4;

// "Hard Disk Footer Format", Disk Geometry, and "Appendix: CHS Calculation".
struct Geometry {
  be16 cylinders;
  uint8_t heads = 0;
  uint8_t sectors_per_track = 0;
  friend constexpr bool operator==(const Geometry&, const Geometry&) = default;
};
static_assert(WireStruct<Geometry> && sizeof(Geometry) == 4);

// "Hard Disk Footer Format": the last sector of every image, copied to the first of a sparse one.
struct Footer {
  Cookie cookie{};
  be32 features;
  be32 file_format_version;
  be64 data_offset;  // of the sparse header
  be32 time_stamp;
  Tag creator_application{};
  be32 creator_version;
  Tag creator_host_os{};
  be64 original_size;  // bytes
  be64 current_size;   // bytes
  Geometry geometry;
  be32 disk_type;
  be32 checksum;  // ones' complement of the sum of all other bytes
  UniqueId unique_id{};
  uint8_t saved_state = 0;
  std::array<uint8_t, 427> reserved{};
  friend constexpr bool operator==(const Footer&, const Footer&) = default;
};
static_assert(WireStruct<Footer> && sizeof(Footer) == 512);
static_assert(offsetof(Footer, current_size) == 48 && offsetof(Footer, checksum) == 64);
static_assert(offsetof(Footer, saved_state) == 84);

// "Dynamic Disk Header Format", Parent Locator Entries.
struct ParentLocator {
  be32 platform_code;
  be32 platform_data_space;   // the specification says sectors, Windows writes bytes: never used
  be32 platform_data_length;  // bytes
  be32 reserved;
  be64 platform_data_offset;
  friend constexpr bool operator==(const ParentLocator&, const ParentLocator&) = default;
};
static_assert(WireStruct<ParentLocator> && sizeof(ParentLocator) == 24);

constexpr uint32_t kLocatorNone = 0;
constexpr uint32_t kLocatorWi2r = 0x57693272;  // deprecated
constexpr uint32_t kLocatorWi2k = 0x5769326b;  // deprecated
constexpr uint32_t kLocatorW2ru = 0x57327275;  // Windows path relative to the child, UTF-16LE
constexpr uint32_t kLocatorW2ku = 0x57326b75;  // Windows absolute path, UTF-16LE
constexpr uint32_t kLocatorMac = 0x4d616320;   // a Mac OS alias
constexpr uint32_t kLocatorMacX = 0x4d616358;  // file URL, UTF-8

// "Dynamic Disk Header Format".
struct SparseHeader {
  Cookie cookie{};
  be64 data_offset;   // unused, kNoOffset
  be64 table_offset;  // of the block allocation table
  be32 header_version;
  be32 max_table_entries;
  be32 block_size;  // bytes of data, without the sector bitmap
  be32 checksum;
  UniqueId parent_unique_id{};
  be32 parent_time_stamp;
  be32 reserved_1;
  std::array<be16, 256> parent_unicode_name{};  // UTF-16BE, terminated only if shorter
  std::array<ParentLocator, 8> parent_locators{};
  std::array<uint8_t, 256> reserved_2{};
  friend constexpr bool operator==(const SparseHeader&, const SparseHeader&) = default;
};
static_assert(WireStruct<SparseHeader> && sizeof(SparseHeader) == 1024);
static_assert(offsetof(SparseHeader, block_size) == 32 && offsetof(SparseHeader, checksum) == 36);
static_assert(offsetof(SparseHeader, parent_locators) == 576);

// Xen's block map, directly behind the padded table: bit set = every sector of the block is
// written. `checksum` is of the map and not of this header.
struct BatmapHeader {
  Cookie cookie{};
  be64 map_offset;
  be32 map_sectors;
  be32 version;
  be32 checksum;
  uint8_t marker = 0;
  uint8_t key_hash_set = 0;  // not zero: the blocks are encrypted
  std::array<uint8_t, 64> key_hash{};
  std::array<uint8_t, 418> reserved{};
};
static_assert(WireStruct<BatmapHeader> && sizeof(BatmapHeader) == 512);
static_assert(offsetof(BatmapHeader, checksum) == 24);

}  // namespace viridian::vhd
