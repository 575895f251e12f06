#include "vhd/footer.h"

#include <gtest/gtest.h>

namespace viridian::vhd {
namespace {

Geometry geometry(uint16_t cylinders, uint8_t heads, uint8_t sectors) {
  return {be16(cylinders), heads, sectors};
}

// The sizes and geometries of images that VirtualBox, Windows 7, 8.1 and Disk2vhd wrote.
TEST(Geometry, MatchesOtherWritersImages) {
  EXPECT_EQ(geometry_for(41943040), geometry(0x3c3, 5, 17));
  EXPECT_EQ(geometry_for(4212736), geometry(0x79, 4, 17));
  EXPECT_EQ(geometry_for(4ull << 20), geometry(0x78, 4, 17));
  EXPECT_EQ(geometry_for(1ull << 30), geometry(0x820, 16, 63));
  EXPECT_EQ(geometry_for(0xc0000000), geometry(0x1861, 16, 63));
  EXPECT_EQ(geometry_for(0x800000000), geometry(0x4040, 16, 255));
  EXPECT_EQ(geometry_for(0x1900000000), geometry(0xc8c8, 16, 255));
  EXPECT_EQ(geometry_for(0x500000000), geometry(0xa28a, 16, 63));
}

TEST(Geometry, IsTheLargestForEverythingBeyondIt) {
  EXPECT_EQ(geometry_for(0x25433d6000), max_geometry());
  EXPECT_EQ(geometry_for(~uint64_t{0} - 511), max_geometry());
}

TEST(Geometry, NeverGivesMoreThanTheSize) {
  for (uint64_t size = 512; size < 300ull << 30; size = size * 3 / 2 / 512 * 512 + 512) {
    EXPECT_LE(size_bytes(geometry_for(size)), size);
  }
}

TEST(Footer, ChecksumIsOfAllBytesButItsOwn) {
  Footer footer = make_footer(kDiskTypeFixed, 1 << 20, {});
  const uint32_t sum = footer.checksum;
  EXPECT_EQ(compute_checksum(footer), sum);
  footer.checksum = 0x12345678;
  EXPECT_EQ(compute_checksum(footer), sum);
  footer.reserved.back() = 1;
  EXPECT_EQ(compute_checksum(footer), sum - 1);
}

// QEMU up to 9 believes an unknown creator's geometry unless it is the largest.
TEST(Footer, GeometryOfANewImageNeverHidesItsEnd) {
  const uint64_t exact = size_bytes(geometry_for(41943040));
  EXPECT_EQ(size_bytes(make_footer(kDiskTypeFixed, exact, {}).geometry), exact);
  EXPECT_EQ(make_footer(kDiskTypeFixed, 41943040, {}).geometry, max_geometry());
}

TEST(UniqueId, IsRandomAndOfVersion4) {
  const UniqueId a = random_unique_id();
  EXPECT_NE(a, random_unique_id());
  EXPECT_EQ(a[6] >> 4, 4);
  EXPECT_EQ(a[8] >> 6, 2);
}

}  // namespace
}  // namespace viridian::vhd
