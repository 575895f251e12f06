#include "tests/conformance/block_device_suite.h"

#include <array>
#include <random>

namespace viridian::io {
namespace {

std::vector<std::byte> pattern(size_t sectors, unsigned seed) {
  std::vector<std::byte> bytes(sectors * kSectorSize);
  std::minstd_rand random(seed);
  for (std::byte& byte : bytes)
    byte = static_cast<std::byte>(random());
  return bytes;
}

TEST_P(BlockDeviceSuite, ReportsItsSizeAndReadsAsZeroesWhenNew) {
  EXPECT_EQ(disk().info().sector_count, kSuiteSectors);
  std::vector<std::byte> read(8 * kSectorSize, std::byte{0xFF});
  ASSERT_EQ(sync().read(100, read), IoStatus::kOk);
  EXPECT_EQ(read, std::vector<std::byte>(read.size()));
}

TEST_P(BlockDeviceSuite, WrittenSectorsAreReadBackAndNeighboursStay) {
  auto data = pattern(5, 1);
  ASSERT_EQ(sync().write(1001, data), IoStatus::kOk);
  std::vector<std::byte> read(7 * kSectorSize);
  ASSERT_EQ(sync().read(1000, read), IoStatus::kOk);
  EXPECT_TRUE(std::equal(data.begin(), data.end(), read.begin() + kSectorSize));
  const std::vector<std::byte> zero(kSectorSize);
  EXPECT_TRUE(std::equal(zero.begin(), zero.end(), read.begin()));
  EXPECT_TRUE(std::equal(zero.begin(), zero.end(), read.end() - kSectorSize));
}

TEST_P(BlockDeviceSuite, LastSectorWorksAndTheOneBehindItDoesNot) {
  auto data = pattern(1, 2);
  EXPECT_EQ(sync().write(kSuiteSectors - 1, data), IoStatus::kOk);
  std::vector<std::byte> read(kSectorSize);
  EXPECT_EQ(sync().read(kSuiteSectors - 1, read), IoStatus::kOk);
  EXPECT_EQ(read, data);
  EXPECT_EQ(sync().write(kSuiteSectors, data), IoStatus::kOutOfRange);
  EXPECT_EQ(sync().read(~uint64_t{0}, read), IoStatus::kOutOfRange);
  auto two = pattern(2, 3);
  EXPECT_EQ(sync().write(kSuiteSectors - 1, two), IoStatus::kOutOfRange);
  EXPECT_EQ(sync().read(kSuiteSectors - 1, read), IoStatus::kOk);
  EXPECT_EQ(read, data) << "a refused write left something behind";
}

TEST_P(BlockDeviceSuite, DataThatIsNoWholeNumberOfSectorsIsInvalid) {
  std::vector<std::byte> bytes(700);
  EXPECT_EQ(sync().read(0, bytes), IoStatus::kInvalid);
  EXPECT_EQ(sync().write(0, bytes), IoStatus::kInvalid);
}

TEST_P(BlockDeviceSuite, DataScatteredOverUnalignedPiecesArrivesInOrder) {
  auto data = pattern(16, 4);
  std::vector<std::byte> target(data.size() + 64);
  const std::array<size_t, 5> cuts = {1, 511, 512, 3000, 4168};
  auto scatter = [&](std::byte* base) {
    std::vector<iovec> parts;
    for (size_t cut : cuts) {
      parts.push_back({base, cut});
      base += cut;
    }
    return parts;
  };
  IoRequest request;
  request.sector = 4090;  // crosses a 2 MiB boundary
  request.sector_count = 16;
  request.op = IoOp::kWrite;
  auto from = scatter(data.data());
  request.data = from;
  ASSERT_EQ(sync().run(request), IoStatus::kOk);
  request.op = IoOp::kRead;
  auto into = scatter(target.data() + 3);
  request.data = into;
  ASSERT_EQ(sync().run(request), IoStatus::kOk);
  EXPECT_TRUE(std::equal(data.begin(), data.end(), target.begin() + 3));
}

TEST_P(BlockDeviceSuite, OneRequestMayCoverTheWholeDisk) {
  auto data = pattern(kSuiteSectors, 5);
  ASSERT_EQ(sync().write(0, data), IoStatus::kOk);
  std::vector<std::byte> read(data.size());
  ASSERT_EQ(sync().read(0, read), IoStatus::kOk);
  EXPECT_TRUE(read == data);
}

TEST_P(BlockDeviceSuite, WriteZeroesGivesZeroesAndKeepsTheRest) {
  auto data = pattern(64, 6);
  ASSERT_EQ(sync().write(2000, data), IoStatus::kOk);
  ASSERT_EQ(sync().simple(IoOp::kWriteZeroes, 2010, 20), IoStatus::kOk);
  std::fill_n(data.begin() + 10 * kSectorSize, 20 * kSectorSize, std::byte{0});
  std::vector<std::byte> read(data.size());
  ASSERT_EQ(sync().read(2000, read), IoStatus::kOk);
  EXPECT_TRUE(read == data);
}

TEST_P(BlockDeviceSuite, DiscardIsCheckedLikeAWrite) {
  EXPECT_EQ(sync().simple(IoOp::kDiscard, kSuiteSectors, 1), IoStatus::kOutOfRange);
  const IoStatus expected =
      disk().info().discard_granularity > 0 ? IoStatus::kOk : IoStatus::kUnsupported;
  EXPECT_EQ(sync().simple(IoOp::kDiscard, 0, 64), expected);
}

TEST_P(BlockDeviceSuite, FlushAndForcedWriteSucceed) {
  auto data = pattern(8, 7);
  EXPECT_EQ(sync().write(0, data, true), IoStatus::kOk);
  EXPECT_EQ(sync().simple(IoOp::kFlush), IoStatus::kOk);
}

TEST_P(BlockDeviceSuite, ManyRequestsAtOnceAllEndAndKeepTheirData) {
  constexpr size_t kRequests = 512;
  struct Slot : IoRequest {
    std::vector<std::byte> bytes;
    iovec part;
    size_t* ended;
  };
  std::vector<Slot> slots(kRequests);
  size_t ended = 0;
  auto submit_all = [&](IoOp op) {
    ended = 0;
    for (size_t i = 0; i < kRequests; ++i) {
      Slot& slot = slots[i];
      slot.part = {slot.bytes.data(), slot.bytes.size()};
      slot.op = op;
      slot.sector = (i * 7919 % kRequests) * 31;
      slot.sector_count = 31;
      slot.data = {&slot.part, 1};
      slot.ended = &ended;
      slot.done = [](IoRequest& request) noexcept { ++*static_cast<Slot&>(request).ended; };
      disk().submit(slot);
    }
    reactor_->run_until([&] { return ended == kRequests; });
    for (const Slot& slot : slots)
      EXPECT_EQ(slot.status, IoStatus::kOk);
  };
  for (size_t i = 0; i < kRequests; ++i)
    slots[i].bytes = pattern(31, static_cast<unsigned>(i));
  submit_all(IoOp::kWrite);
  for (Slot& slot : slots)
    std::fill(slot.bytes.begin(), slot.bytes.end(), std::byte{0});
  submit_all(IoOp::kRead);
  for (size_t i = 0; i < kRequests; ++i) {
    EXPECT_TRUE(slots[i].bytes == pattern(31, static_cast<unsigned>(i))) << i;
  }
}

TEST_P(BlockDeviceSuite, DoneNeverRunsInsideSubmit) {
  struct Probe : IoRequest {
    bool ended = false;
  } probe;
  probe.op = IoOp::kFlush;
  probe.done = [](IoRequest& request) noexcept { static_cast<Probe&>(request).ended = true; };
  disk().submit(probe);
  EXPECT_FALSE(probe.ended);
  reactor_->run_until([&] { return probe.ended; });
}

}  // namespace
}  // namespace viridian::io
