#include "base/guest_memory.h"

#include <gtest/gtest.h>

#include <array>

namespace viridian {
namespace {

class GuestMemoryTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(memory_.add_region(Gpa{0x1000}, low_));
    ASSERT_TRUE(memory_.add_region(Gpa{0x10000}, high_));
  }
  std::array<std::byte, 0x1000> low_{};
  std::array<std::byte, 0x1000> high_{};
  GuestMemory memory_;
};

TEST_F(GuestMemoryTest, OverlappingOrWrappingRegionIsRefused) {
  std::array<std::byte, 16> more{};
  EXPECT_FALSE(memory_.add_region(Gpa{0x1FFF}, more));
  EXPECT_FALSE(memory_.add_region(Gpa{0xFF8}, more));
  EXPECT_FALSE(memory_.add_region(Gpa{~uint64_t{0}}, more));
  EXPECT_TRUE(memory_.add_region(Gpa{0x2000}, more));
}

TEST_F(GuestMemoryTest, WindowMayEndAtARegionsEndAndNotBehindIt) {
  EXPECT_TRUE(memory_.window(Gpa{0x1FF0}, 16));
  EXPECT_FALSE(memory_.window(Gpa{0x1FF0}, 17));
  EXPECT_FALSE(memory_.window(Gpa{0x1FF0}, ~uint64_t{0}));
  EXPECT_FALSE(memory_.window(Gpa{0x3000}, 1));
}

TEST_F(GuestMemoryTest, ValueWrittenIsReadBackAndAHoleFails) {
  EXPECT_TRUE(memory_.write(Gpa{0x10010}, le32(0x12345678)));
  EXPECT_EQ(memory_.read<le32>(Gpa{0x10010}), le32(0x12345678));
  EXPECT_FALSE(memory_.read<le32>(Gpa{0x10FFE}));
  EXPECT_FALSE(memory_.write(Gpa{0x5000}, le32(1)));
}

TEST_F(GuestMemoryTest, NothingMayBeReadAndWrittenWithoutABuffer) {
  EXPECT_TRUE(memory_.write(Gpa{0x1000}, {}));
  EXPECT_TRUE(memory_.read(Gpa{0x1000}, {}));
}

TEST_F(GuestMemoryTest, GatherJoinsNeighboursAndKeepsOrder) {
  const std::array<GpaRange, 3> ranges = {
      GpaRange{Gpa{0x1100}, 0x100}, {Gpa{0x1200}, 0x100}, {Gpa{0x10000}, 0x10}};
  std::array<iovec, 2> out;
  ASSERT_EQ(memory_.gather(ranges, out), 2u);
  EXPECT_EQ(out[0].iov_base, low_.data() + 0x100);
  EXPECT_EQ(out[0].iov_len, 0x200u);
  EXPECT_EQ(out[1].iov_base, high_.data());
}

TEST_F(GuestMemoryTest, GatherFailsOnAHoleAndWhenThereIsNoRoom) {
  std::array<iovec, 1> out;
  const std::array<GpaRange, 1> hole = {GpaRange{Gpa{0x1F00}, 0x200}};
  EXPECT_FALSE(memory_.gather(hole, out));
  const std::array<GpaRange, 2> two = {GpaRange{Gpa{0x1000}, 1}, {Gpa{0x10000}, 1}};
  EXPECT_FALSE(memory_.gather(two, out));
}

}  // namespace
}  // namespace viridian
