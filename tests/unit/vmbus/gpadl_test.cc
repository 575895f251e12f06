// GPADLs: assembly from header and bodies, limits, hostile lists.
#include "vmbus/gpadl.h"

#include <gtest/gtest.h>

#include "vmbus/protocol.h"
#include "vmbus/ring_protocol.h"

namespace viridian::vmbus {
namespace {

using Progress = GpadlTable::Progress;

class GpadlTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(memory_.add_region(Gpa{0x10'0000}, std::span(bytes_)));  // PFNs 256 to 287
  }
  static std::vector<std::byte> pfns(size_t count, uint64_t first = 256, uint64_t step = 0) {
    std::vector<std::byte> bytes;
    for (size_t i = 0; i < count; ++i) {
      const le64 pfn = first + i * step;
      bytes.insert(bytes.end(), wire_bytes(pfn).begin(), wire_bytes(pfn).end());
    }
    return bytes;
  }
  Progress header(uint32_t handle, uint32_t byte_count, uint32_t byte_offset, uint32_t range_bytes,
                  const std::vector<std::byte>& list, uint32_t range_count = 1) {
    const GpaRangeHeader range{byte_count, byte_offset};
    std::vector<std::byte> bytes(wire_bytes(range).begin(), wire_bytes(range).end());
    bytes.insert(bytes.end(), list.begin(), list.end());
    return table_.header(1, handle, range_bytes, range_count, bytes);
  }
  Progress create(uint32_t handle, uint32_t pages) {
    return header(handle, pages * kPageBytes, 0, 8 + pages * 8, pfns(pages));
  }
  Progress body(uint32_t handle, const std::vector<std::byte>& list) {
    uint32_t relid = 0;
    const Progress progress = table_.body(handle, list, relid);
    EXPECT_TRUE(progress == Progress::kIgnored || relid == 1);
    return progress;
  }

  std::vector<std::byte> bytes_ = std::vector<std::byte>(32 * kPageBytes);
  GuestMemory memory_;
  GpadlTable table_{memory_};
};

TEST_F(GpadlTest, ShortListIsCompleteWithItsHeader) {
  EXPECT_EQ(header(7, 3 * kPageBytes, 0, 32, pfns(3, 256, 1)), Progress::kCreated);
  const Gpadl* gpadl = table_.find(1, 7);
  ASSERT_NE(gpadl, nullptr);
  EXPECT_EQ(gpadl->pfns, (std::vector<uint64_t>{256, 257, 258}));
}

TEST_F(GpadlTest, LongListIsCompleteWithItsLastBody) {
  EXPECT_EQ(header(7, 70 * kPageBytes, 0, 568, pfns(26)), Progress::kIncomplete);
  EXPECT_EQ(table_.find(1, 7), nullptr);
  EXPECT_EQ(body(7, pfns(28)), Progress::kIncomplete);
  EXPECT_EQ(body(7, pfns(16)), Progress::kCreated);
  ASSERT_NE(table_.find(1, 7), nullptr);
  EXPECT_EQ(table_.find(1, 7)->pfns.size(), 70u);
}

TEST_F(GpadlTest, SixteenMegabytesTakeTheMessagesThatLinuxSends) {
  EXPECT_EQ(header(7, 4096 * kPageBytes, 0, 8 + 4096 * 8, pfns(26)), Progress::kIncomplete);
  int bodies = 0;
  Progress progress = Progress::kIncomplete;
  for (size_t left = 4096 - 26; left > 0; ++bodies) {
    ASSERT_EQ(progress, Progress::kIncomplete);
    const size_t count = std::min<size_t>(left, 28);
    progress = body(7, pfns(count));
    left -= count;
  }
  EXPECT_EQ(progress, Progress::kCreated);
  EXPECT_EQ(bodies, 146);
}

TEST_F(GpadlTest, TwoListsMayArriveInterleaved) {
  EXPECT_EQ(header(7, 30 * kPageBytes, 0, 248, pfns(26)), Progress::kIncomplete);
  EXPECT_EQ(header(8, 30 * kPageBytes, 0, 248, pfns(26)), Progress::kIncomplete);
  EXPECT_EQ(body(7, pfns(4)), Progress::kCreated);
  EXPECT_EQ(body(8, pfns(4)), Progress::kCreated);
}

TEST_F(GpadlTest, RangesOfABufferAreJoinedAndBounded) {
  const std::vector<std::byte> list = [] {
    auto bytes = pfns(2, 256, 1);
    const auto last = pfns(1, 270);
    bytes.insert(bytes.end(), last.begin(), last.end());
    return bytes;
  }();
  ASSERT_EQ(header(7, 2 * kPageBytes + 100, 50, 32, list), Progress::kCreated);
  const Gpadl* gpadl = table_.find(1, 7);
  std::array<GpaRange, 2> out;
  ASSERT_EQ(gpadl->ranges(0, 2 * kPageBytes + 100, out), 2u);
  EXPECT_EQ(to_u64(out[0].base), 256 * kPageBytes + 50u);
  EXPECT_EQ(out[0].length, 2 * kPageBytes - 50);
  EXPECT_EQ(to_u64(out[1].base), 270 * kPageBytes);
  EXPECT_EQ(out[1].length, 150u);
  EXPECT_EQ(gpadl->ranges(kPageBytes, 10, out), 1u);
  EXPECT_EQ(gpadl->ranges(1, 2 * kPageBytes + 100, out), std::nullopt);
  EXPECT_EQ(gpadl->ranges(~0u, 2, out), std::nullopt);
  EXPECT_EQ(gpadl->ranges(0, 2 * kPageBytes + 100, std::span(out).first(1)), std::nullopt);
}

// --- hostile lists -------------------------------------------------------------------------------

TEST_F(GpadlTest, CountsThatDisagreeAreRefused) {
  EXPECT_EQ(header(7, 2 * kPageBytes, 0, 16, pfns(2)), Progress::kRefused);  // bytes for one page
  EXPECT_EQ(header(7, 2 * kPageBytes, 0, 32, pfns(2)), Progress::kRefused);  // for three
  EXPECT_EQ(header(7, 2 * kPageBytes, 1, 24, pfns(2)), Progress::kRefused);  // offset takes a third
  EXPECT_EQ(header(7, ~0u, ~0u, 24, pfns(2)), Progress::kRefused);
  EXPECT_EQ(header(7, kPageBytes, kPageBytes, 24, pfns(2)), Progress::kRefused);
  EXPECT_EQ(header(7, 0, 0, 8, {}), Progress::kRefused);
  EXPECT_EQ(header(7, kPageBytes, 0, 16, pfns(1), 0), Progress::kRefused);
  EXPECT_EQ(header(7, kPageBytes, 0, 16, pfns(1), 2), Progress::kRefused);
  EXPECT_EQ(table_.header(1, 7, 16, 1, std::vector<std::byte>(7)), Progress::kRefused);
  EXPECT_EQ(table_.size(), 0u);
  EXPECT_EQ(table_.page_count(), 0u);
}

TEST_F(GpadlTest, PagesThatAreNotMemoryAreRefusedInHeaderAndBody) {
  for (const uint64_t bad : {uint64_t{255}, uint64_t{288}, uint64_t{1} << 52, ~uint64_t{0}}) {
    EXPECT_EQ(header(7, kPageBytes, 0, 16, pfns(1, bad)), Progress::kRefused);
    EXPECT_EQ(header(7, 27 * kPageBytes, 0, 224, pfns(26)), Progress::kIncomplete);
    EXPECT_EQ(body(7, pfns(1, bad)), Progress::kRefused);
    EXPECT_EQ(table_.size(), 0u);
    EXPECT_EQ(table_.page_count(), 0u);
  }
}

TEST_F(GpadlTest, HandleInUseIsRefusedAndTheFirstListLives) {
  EXPECT_EQ(create(7, 2), Progress::kCreated);
  EXPECT_EQ(create(7, 1), Progress::kRefused);
  EXPECT_EQ(table_.find(1, 7)->pfns.size(), 2u);
}

TEST_F(GpadlTest, BodyWithoutAListIsIgnored) {
  EXPECT_EQ(body(7, pfns(1)), Progress::kIgnored);
  EXPECT_EQ(create(7, 1), Progress::kCreated);
  EXPECT_EQ(body(7, pfns(1)), Progress::kIgnored);
}

TEST_F(GpadlTest, EmptyBodyEndsItsList) {
  EXPECT_EQ(header(7, 27 * kPageBytes, 0, 224, pfns(26)), Progress::kIncomplete);
  EXPECT_EQ(body(7, std::vector<std::byte>(7)), Progress::kRefused);
  EXPECT_EQ(table_.size(), 0u);
}

TEST_F(GpadlTest, IncompleteListsAreLimitedAndTheLimitIsGivenBack) {
  for (uint32_t i = 0; i < kMaxIncompleteGpadls; ++i)
    EXPECT_EQ(header(i, 27 * kPageBytes, 0, 224, pfns(26)), Progress::kIncomplete);
  EXPECT_EQ(header(1000, 27 * kPageBytes, 0, 224, pfns(26)), Progress::kRefused);
  EXPECT_TRUE(table_.erase(1, 3));
  EXPECT_EQ(header(1000, 27 * kPageBytes, 0, 224, pfns(26)), Progress::kIncomplete);
  EXPECT_EQ(body(0, pfns(1)), Progress::kCreated);
  EXPECT_EQ(header(1001, 27 * kPageBytes, 0, 224, pfns(26)), Progress::kIncomplete);
}

TEST_F(GpadlTest, ListsAreLimitedInNumber) {
  for (uint32_t i = 0; i < kMaxGpadls; ++i)
    ASSERT_EQ(create(i, 1), Progress::kCreated);
  EXPECT_EQ(create(kMaxGpadls, 1), Progress::kRefused);
  table_.erase_channel(1);
  EXPECT_EQ(table_.size(), 0u);
  EXPECT_EQ(create(kMaxGpadls, 1), Progress::kCreated);
}

TEST_F(GpadlTest, PagesAreLimitedInSum) {
  constexpr uint32_t kPages = 8190;  // the most that one list can announce
  uint32_t lists = 0;
  for (; lists < kMaxGpadlPages / kPages; ++lists) {
    ASSERT_EQ(header(lists, kPages * kPageBytes, 0, 8 + kPages * 8, pfns(26)),
              Progress::kIncomplete);
    for (uint32_t left = kPages - 26; left > 0; left -= std::min(left, 1000u))
      body(lists, pfns(std::min(left, 1000u)));
  }
  EXPECT_EQ(header(lists, kPages * kPageBytes, 0, 8 + kPages * 8, pfns(26)), Progress::kRefused);
  EXPECT_LE(table_.page_count(), kMaxGpadlPages);
}

TEST_F(GpadlTest, AnotherChannelsListIsNeitherFoundNorErased) {
  EXPECT_EQ(create(7, 1), Progress::kCreated);
  EXPECT_EQ(table_.find(2, 7), nullptr);
  EXPECT_FALSE(table_.erase(2, 7));
  table_.erase_channel(2);
  EXPECT_NE(table_.find(1, 7), nullptr);
}

}  // namespace
}  // namespace viridian::vmbus
