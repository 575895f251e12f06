#include "vmm-minimal/guest_ram.h"

#include <gtest/gtest.h>

#include "vmm-minimal/memory_map.h"

namespace viridian::vmm {
namespace {

TEST(GuestRam, SmallMemoryIsOneRegionFromZero) {
  const auto ram = GuestRam::allocate(4 << 20);
  ASSERT_TRUE(ram) << ram.error().message;
  EXPECT_EQ(ram->low_bytes(), 4u << 20);
  EXPECT_EQ(ram->high_bytes(), 0u);
  EXPECT_TRUE(ram->memory().window(Gpa{0}, 4 << 20));
  EXPECT_FALSE(ram->memory().window(Gpa{0}, (4 << 20) + 1));
}

TEST(GuestRam, MemoryBeyondThreeGibibytesContinuesAtFour) {
  const auto ram = GuestRam::allocate(kLowMemoryEnd + (2 << 20));
  if (!ram) GTEST_SKIP() << ram.error().message;  // this host is smaller
  EXPECT_EQ(ram->high_bytes(), 2u << 20);
  EXPECT_FALSE(ram->memory().window(Gpa{kLowMemoryEnd}, 1));
  EXPECT_TRUE(ram->memory().window(Gpa{kHighMemoryBase}, 2 << 20));
  EXPECT_FALSE(ram->memory().window(Gpa{kLowMemoryEnd - 1}, 2));
}

TEST(GuestRam, SizesThatCannotBeAreRefused) {
  EXPECT_FALSE(GuestRam::allocate(0));
  EXPECT_FALSE(GuestRam::allocate((4 << 20) + 1));
  EXPECT_FALSE(GuestRam::allocate(uint64_t{1} << 60));
}

}  // namespace
}  // namespace viridian::vmm
