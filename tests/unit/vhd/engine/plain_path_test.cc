// Requests that go to one place of one file as they are: which ones do, what becomes of those that
// the file does not do whole, and that no space is used again under them.
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>

#include "tests/conformance/sync_disk.h"
#include "tests/support/memory_chain.h"
#include "tests/unit/vhd/engine/disk_request.h"

namespace viridian::vhd {
namespace {

using io::FileOp;
using io::IoOp;
using io::IoStatus;

constexpr uint32_t kBlock = 4096;
constexpr uint64_t kPerBlock = kBlock / kSectorBytes;
constexpr uint64_t kBlocks = 20;
constexpr DiskLimits kLimits = {8, 8, 64, 64, 16 * kBlock};

class PlainPath : public testing::Test {
 protected:
  void SetUp() override {
    reactor_ = std::move(*io::Reactor::create());
    chain_ = std::make_unique<MemoryChain>(*reactor_);
    chain_->push(kBlocks * kBlock, kBlock);
    open();
  }
  void open() {
    disk_.reset();
    auto disk = chain_->open(kLimits);
    ASSERT_TRUE(disk) << disk.error().message;
    disk_ = std::move(*disk);
  }
  void finish(Request& request) {
    reactor_->run_until([&] { return request.ended; });
  }
  IoStatus run(IoOp op, uint64_t sector = 0, uint64_t count = 0, unsigned value = 0) {
    Request request(op, sector, count, value);
    disk_->submit(request);
    finish(request);
    return request.status;
  }
  int value_of(uint64_t sector, uint64_t count = 1) {
    Request request(IoOp::kRead, sector, count);
    disk_->submit(request);
    finish(request);
    EXPECT_EQ(request.status, IoStatus::kOk);
    return request.value();
  }

  size_t count(FileOp op) { return chain_->file().count(op); }

  std::unique_ptr<io::Reactor> reactor_;
  std::unique_ptr<MemoryChain> chain_;
  std::unique_ptr<ChainDisk> disk_;
};

TEST_F(PlainPath, WhatIsWhollyThereIsPlainAndNothingElseIs) {
  ASSERT_EQ(run(IoOp::kWrite, 0, kPerBlock, 7), IoStatus::kOk);
  ASSERT_EQ(run(IoOp::kWrite, kPerBlock, kPerBlock, 8), IoStatus::kOk);
  ASSERT_EQ(run(IoOp::kWrite, 2 * kPerBlock, 1, 9), IoStatus::kOk);
  chain_->file().hold_plain();
  Request read(IoOp::kRead, 0, kPerBlock), write(IoOp::kWrite, kPerBlock + 1, 1, 5);
  Request both(IoOp::kRead, kPerBlock - 1, 2), part(IoOp::kRead, 2 * kPerBlock, 1);
  Request forced(IoOp::kWrite, 0, 1, 7), hole(IoOp::kRead, 5 * kPerBlock, 1);
  forced.fua = true;
  for (Request* request : {&read, &write, &both, &part, &forced, &hole})
    disk_->submit(*request);
  for (Request* request : {&both, &part, &forced, &hole})
    finish(*request);
  EXPECT_FALSE(read.ended || write.ended);
  chain_->file().release_plain(2);
  finish(read);
  finish(write);
  EXPECT_EQ(read.value(), 7);
  Request across(IoOp::kRead, kPerBlock + 1, kPerBlock);
  disk_->submit(across);
  finish(across);
  EXPECT_EQ(across.bytes[0], std::byte{5});
}

TEST_F(PlainPath, FreedSpaceIsNotUsedAgainWhileAPlainReadIsOut) {
  ASSERT_EQ(run(IoOp::kWrite, 0, kPerBlock, 7), IoStatus::kOk);
  ASSERT_EQ(run(IoOp::kFlush), IoStatus::kOk);
  chain_->file().hold_plain();
  Request read(IoOp::kRead, 0, kPerBlock);
  disk_->submit(read);
  ASSERT_EQ(run(IoOp::kDiscard, 0, kPerBlock), IoStatus::kOk);
  const size_t zeroed = count(FileOp::kZero);
  for (unsigned i = 1; i < 5; ++i) {
    ASSERT_EQ(run(IoOp::kFlush), IoStatus::kOk);
    ASSERT_EQ(run(IoOp::kWrite, i * kPerBlock, kPerBlock, 9), IoStatus::kOk);
  }
  EXPECT_EQ(count(FileOp::kZero), zeroed);
  chain_->file().release_plain(1);
  finish(read);
  EXPECT_EQ(read.value(), 7);
  reactor_->turn(false);
  EXPECT_EQ(count(FileOp::kZero), zeroed + 1) << "its end lets the space be zeroed";
}

TEST_F(PlainPath, FreedSpaceWaitsForReadsFromBeforeAndAfterACommitThatFailed) {
  ASSERT_EQ(run(IoOp::kWrite, 0, 2 * kPerBlock, 7), IoStatus::kOk);
  ASSERT_EQ(run(IoOp::kFlush), IoStatus::kOk);
  chain_->file().hold_plain();
  Request before(IoOp::kRead, 0, kPerBlock), after(IoOp::kRead, kPerBlock, kPerBlock);
  disk_->submit(before);
  ASSERT_EQ(run(IoOp::kDiscard, 0, kPerBlock), IoStatus::kOk);
  chain_->file().fail(FileOp::kWrite, EIO);
  ASSERT_EQ(run(IoOp::kFlush), IoStatus::kMediumError);
  disk_->submit(after);
  ASSERT_EQ(run(IoOp::kDiscard, kPerBlock, kPerBlock), IoStatus::kOk);
  const size_t zeroed = count(FileOp::kZero);
  for (Request* request : {&before, &after}) {
    for (unsigned i = 0; i < 3; ++i)
      ASSERT_EQ(run(IoOp::kFlush), IoStatus::kOk);
    EXPECT_EQ(count(FileOp::kZero), zeroed);
    chain_->file().release_plain(1);
    finish(*request);
    EXPECT_EQ(request->value(), 7);
  }
  ASSERT_EQ(run(IoOp::kFlush), IoStatus::kOk);
  EXPECT_EQ(count(FileOp::kZero), zeroed + 2);
}

TEST_F(PlainPath, ErrorsAreToldAndTheDiskGoesOn) {
  ASSERT_EQ(run(IoOp::kWrite, 0, kPerBlock, 7), IoStatus::kOk);
  chain_->file().fail(FileOp::kWrite, ENOSPC);
  EXPECT_EQ(run(IoOp::kWrite, 0, 1, 8), IoStatus::kNoSpace);
  chain_->file().fail(FileOp::kRead, EIO);
  EXPECT_EQ(run(IoOp::kRead, 0, 1), IoStatus::kMediumError);
  EXPECT_EQ(value_of(0, kPerBlock), 7);
}

// Also what the kernel did not want to wait for.
TEST_F(PlainPath, WhatTheFileDidNotDoWholeIsDoneAgain) {
  ASSERT_EQ(run(IoOp::kWrite, 0, kPerBlock, 7), IoStatus::kOk);
  chain_->file().fail(FileOp::kWrite, EAGAIN);
  EXPECT_EQ(run(IoOp::kWrite, 0, kPerBlock, 8), IoStatus::kOk);
  EXPECT_EQ(value_of(0, kPerBlock), 8);
  for (unsigned seed = 0; seed < 40; ++seed) {
    chain_->file().shuffle(seed);  // some are cut short
    ASSERT_EQ(run(IoOp::kWrite, 0, kPerBlock, seed), IoStatus::kOk);
    ASSERT_EQ(value_of(0, kPerBlock), static_cast<int>(seed));
  }
}

TEST_F(PlainPath, ParentThatEndsWithinAReadIsReadToItsEnd) {
  disk_.reset();
  chain_ = std::make_unique<MemoryChain>(*reactor_);
  chain_->push(kBlock + kSectorBytes, kBlock);
  open();
  ASSERT_EQ(run(IoOp::kWrite, 0, kPerBlock + 1, 7), IoStatus::kOk);
  disk_.reset();
  chain_->push(2 * kBlock, kBlock);
  open();
  for (unsigned i = 0; i < 2; ++i) {
    EXPECT_EQ(value_of(kPerBlock, 1), 7);
    EXPECT_EQ(value_of(kPerBlock + 1, 1), 0);
    Request both(IoOp::kRead, kPerBlock, 2);
    disk_->submit(both);
    finish(both);
    EXPECT_EQ(both.bytes[0], std::byte{7});
    EXPECT_EQ(both.bytes[kSectorBytes], std::byte{0});
  }
}

TEST(PlainRequests, PeriodIsOverWhenTheRequestsFromBeforeItHaveEnded) {
  PlainRequests requests;
  const uint32_t first = requests.begin(), second = requests.begin();
  requests.begin_period();
  const uint32_t third = requests.begin();
  EXPECT_FALSE(requests.end(first));
  EXPECT_FALSE(requests.is_over());
  EXPECT_TRUE(requests.end(second));
  EXPECT_TRUE(requests.is_over());
  EXPECT_FALSE(requests.end(third));
  requests.begin_period();
  EXPECT_TRUE(requests.is_over());
}

TEST(PlainRequests, PeriodThatBeginsInAnotherWaitsForAllFromBeforeIt) {
  PlainRequests requests;
  const uint32_t first = requests.begin();
  requests.begin_period();
  const uint32_t second = requests.begin();
  requests.begin_period();
  EXPECT_FALSE(requests.is_over());
  EXPECT_TRUE(requests.end(first));
  EXPECT_FALSE(requests.is_over());
  const uint32_t third = requests.begin();
  EXPECT_TRUE(requests.end(second));
  EXPECT_TRUE(requests.is_over());
  EXPECT_FALSE(requests.end(third));
}

}  // namespace
}  // namespace viridian::vhd
