#include "ide-emu/prd_list.h"

#include <gtest/gtest.h>

#include <vector>

#include "ide-emu/ata_spec.h"
#include "ide-emu/limits.h"

namespace viridian::ide {
namespace {

class PrdListTest : public testing::Test {
 protected:
  PrdListTest() { EXPECT_TRUE(memory_.add_region(Gpa{0}, bytes_)); }
  void put(uint32_t at, uint32_t address, uint16_t count, uint16_t flags = 0) {
    EXPECT_TRUE(memory_.write(Gpa{at}, PrdEntry{address, count, flags}));
  }
  size_t offset(const iovec& part) {
    return static_cast<size_t>(static_cast<std::byte*>(part.iov_base) - bytes_.data());
  }
  std::vector<std::byte> bytes_ = std::vector<std::byte>(1 << 18);
  GuestMemory memory_;
  std::array<iovec, kMaxDmaSegments> out_;
  PrdList list_;
};

TEST_F(PrdListTest, TakesWhatIsWantedAndGoesOnWhereItStopped) {
  put(0, 0x1000, 1024);
  put(8, 0x3000, 512, kPrdEndOfTable);
  list_.start(0);
  auto part = list_.take(memory_, 512, 512, out_);
  EXPECT_EQ(part.bytes, 512u);
  EXPECT_FALSE(list_.at_end());
  part = list_.take(memory_, 1024, 512, out_);
  ASSERT_EQ(part.segments, 2u);
  EXPECT_EQ(offset(out_[0]), 0x1200u);
  EXPECT_EQ(offset(out_[1]), 0x3000u);
  EXPECT_TRUE(list_.at_end());
  EXPECT_EQ(list_.take(memory_, 512, 512, out_).bytes, 0u);
}

TEST_F(PrdListTest, NeighboursBecomeOneSegment) {
  put(0, 0x1000, 512);
  put(8, 0x1200, 512, kPrdEndOfTable);
  list_.start(0);
  EXPECT_EQ(list_.take(memory_, 1024, 512, out_).segments, 1u);
}

TEST_F(PrdListTest, EndInTheMiddleOfASectorGivesTheWholeSectorsBefore) {
  put(0, 0x1000, 700, kPrdEndOfTable);
  list_.start(0);
  EXPECT_EQ(list_.take(memory_, 1024, 512, out_).bytes, 512u);
  const auto rest = list_.take(memory_, 512, 512, out_);
  EXPECT_EQ(rest.bytes, 0u);
  EXPECT_FALSE(rest.bad);
}

TEST_F(PrdListTest, FullOutputStopsAtAWholeSectorAndLosesNothing) {
  for (uint32_t i = 0; i < 600; ++i)
    put(8 * i, 0x10000 + 4 * i, 2, i == 599 ? kPrdEndOfTable : uint16_t{0});
  list_.start(0);
  EXPECT_EQ(list_.take(memory_, 4096, 512, out_).bytes, 1024u);
  EXPECT_EQ(list_.take(memory_, 4096, 512, out_).bytes, 0u);  // 88 entries are no sector
  list_.start(0);
  EXPECT_EQ(list_.take(memory_, 1000, 1, out_).bytes, 1000u);
  EXPECT_EQ(list_.take(memory_, 1000, 1, out_).bytes, 200u);
}

TEST_F(PrdListTest, EntryIsCopiedOnceAndLaterChangesToItAreNotSeen) {
  put(0, 0x1000, 1024, kPrdEndOfTable);
  list_.start(0);
  list_.take(memory_, 512, 512, out_);
  put(0, 0xFFFF0000, 0, 0);
  const auto part = list_.take(memory_, 512, 512, out_);
  ASSERT_EQ(part.segments, 1u);
  EXPECT_EQ(offset(out_[0]), 0x1200u);
  EXPECT_TRUE(list_.at_end());
}

TEST_F(PrdListTest, TableMayEndExactlyAtItsSixtyFourKibAndNotCrossThem) {
  put(0x1FFF8, 0x1000, 512);
  put(0x20000, 0x2000, 512, kPrdEndOfTable);
  list_.start(0x1FFF8);
  EXPECT_EQ(list_.take(memory_, 512, 512, out_).bytes, 512u);
  EXPECT_TRUE(list_.take(memory_, 512, 512, out_).bad);
  list_.start(0x1FFFC);  // an entry across the boundary
  EXPECT_TRUE(list_.take(memory_, 512, 512, out_).bad);
}

TEST_F(PrdListTest, TableAtTheEndOfTheAddressSpaceDoesNotWrap) {
  put(0, 0x1000, 512, kPrdEndOfTable);
  list_.start(0xFFFFFFF8);
  EXPECT_TRUE(list_.take(memory_, 512, 512, out_).bad);
  EXPECT_TRUE(list_.take(memory_, 512, 512, out_).bad);
}

TEST_F(PrdListTest, RegionAcrossTheEndOfMemoryIsBad) {
  put(0, (1 << 18) - 256, 512, kPrdEndOfTable);
  list_.start(0);
  EXPECT_TRUE(list_.take(memory_, 512, 512, out_).bad);
}

}  // namespace
}  // namespace viridian::ide
