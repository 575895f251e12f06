// The host fails: each operation on the file once, with each error. The guest is told, the disk
// goes on, and the image holds what the disk shows.
#include <gtest/gtest.h>

#include <cerrno>

#include "tests/conformance/sync_disk.h"
#include "tests/support/memory_chain.h"

namespace viridian::vhd {
namespace {

using io::FileOp;
using io::IoOp;
using io::IoStatus;

constexpr uint64_t kSectors = 200;
constexpr uint32_t kBlock = 4096;
constexpr uint64_t kPerBlock = kBlock / kSectorBytes;

std::vector<std::byte> sectors_of(unsigned value, size_t count = 1) {
  return std::vector<std::byte>(count * kSectorBytes, static_cast<std::byte>(value));
}

struct FaultCase {
  FileOp op;
  int error;
  unsigned passing;
};

class FaultTest : public testing::Test {
 protected:
  void SetUp() override {
    reactor_ = std::move(*io::Reactor::create());
    chain_ = std::make_unique<MemoryChain>(*reactor_);
  }
  std::unique_ptr<ChainDisk> open(const DiskLimits& limits = {8, 8, 32, 4, 16384}) {
    auto disk = chain_->open(limits);
    EXPECT_TRUE(disk) << disk.error().message;
    return std::move(*disk);
  }
  std::vector<std::byte> read_all(ChainDisk& disk) {
    std::vector<std::byte> all(kSectors * kSectorBytes);
    EXPECT_EQ(io::SyncDisk(*reactor_, disk).read(0, all), IoStatus::kOk);
    return all;
  }

  // Returns how many requests failed. `shown` gets what the disk shows at the end.
  unsigned run(const FaultCase& fault, std::vector<std::byte>& shown) {
    auto disk = open();
    chain_->file().fail(fault.op, fault.error, fault.passing);
    io::SyncDisk sync(*reactor_, *disk);
    unsigned failed = 0;
    std::vector<std::byte> wanted = read_all(*disk);
    const auto check = [&](IoStatus status) {
      if (status == IoStatus::kOk) return true;
      const bool full = fault.error == ENOSPC && fault.op != FileOp::kDataSync;
      EXPECT_EQ(status, full ? IoStatus::kNoSpace : IoStatus::kMediumError);
      ++failed;
      return false;
    };
    for (unsigned i = 0; i < 40; ++i) {
      const uint64_t sector = i * 37 % (kSectors - 12);
      auto data = sectors_of(i + 1, 1 + i % 11);
      const auto at = wanted.begin() + static_cast<ptrdiff_t>(sector * kSectorBytes);
      if (check(sync.write(sector, data, i % 7 == 0))) std::copy(data.begin(), data.end(), at);
      if (i % 5 == 4) check(sync.simple(IoOp::kFlush));
      if (i % 9 == 8 && check(sync.simple(IoOp::kDiscard, 4 * i, 16))) {
        std::fill_n(wanted.begin() + static_cast<ptrdiff_t>(4 * i * kSectorBytes),
                    16 * kSectorBytes, std::byte{0});
      }
    }
    chain_->file().stop_failing();
    check(sync.simple(IoOp::kFlush));
    shown = read_all(*disk);
    // What succeeded is there; where something failed, nothing but the failed data may differ.
    EXPECT_TRUE(failed > 0 || shown == wanted);
    return failed;
  }

  void run_each(FileOp op, int error) {
    unsigned with_failures = 0;
    for (unsigned passing = 0; passing < 150; ++passing) {
      chain_ = std::make_unique<MemoryChain>(*reactor_);
      chain_->push(kSectors * kSectorBytes, kBlock);
      std::vector<std::byte> shown;
      with_failures += run({op, error, passing}, shown) > 0 ? 1 : 0;
      auto again = open();
      // After a failed sync nobody knows what is durable, so nothing more is written.
      ASSERT_TRUE(op == FileOp::kDataSync || read_all(*again) == shown) << passing;
    }
    EXPECT_GT(with_failures, 0u);
  }

  std::unique_ptr<io::Reactor> reactor_;
  std::unique_ptr<MemoryChain> chain_;
};

TEST_F(FaultTest, EachWriteThatFailsIsReportedAndTheImageStaysWhole) {
  run_each(FileOp::kWrite, EIO);
}
TEST_F(FaultTest, EachWriteWithoutSpaceIsReportedAndTheImageStaysWhole) {
  run_each(FileOp::kWrite, ENOSPC);
}
TEST_F(FaultTest, EachSyncThatFailsIsReportedAndTheImageStaysWhole) {
  run_each(FileOp::kDataSync, EIO);
}

TEST_F(FaultTest, FailedSyncIsNotForgotten) {
  chain_->push(kSectors * kSectorBytes, kBlock);
  auto disk = open();
  io::SyncDisk sync(*reactor_, *disk);
  auto data = sectors_of(1);
  ASSERT_EQ(sync.write(0, data), IoStatus::kOk);
  chain_->file().fail(FileOp::kDataSync, EIO);
  EXPECT_EQ(sync.simple(IoOp::kFlush), IoStatus::kMediumError);
  EXPECT_EQ(sync.simple(IoOp::kFlush), IoStatus::kMediumError);
  EXPECT_EQ(sync.read(0, data), IoStatus::kOk);
}

TEST_F(FaultTest, WritesThatWaitForTheCacheEndWhenItCannotBeWritten) {
  chain_->push(kSectors * kSectorBytes, kBlock);
  auto disk = open({8, 8, 2, 100, 16384});
  io::SyncDisk sync(*reactor_, *disk);
  auto data = sectors_of(1);
  chain_->file().fail(FileOp::kDataSync, EIO, 2, 100);  // the growth's two succeed
  for (uint64_t block = 0; block < 2; ++block)
    ASSERT_EQ(sync.write(block * kPerBlock, data), IoStatus::kOk);
  EXPECT_EQ(sync.write(2 * kPerBlock, data), IoStatus::kMediumError);
  EXPECT_EQ(sync.write(3 * kPerBlock, data), IoStatus::kMediumError);
  EXPECT_EQ(sync.write(0, data), IoStatus::kOk);
}

TEST_F(FaultTest, FullFileSystemGivesNoSpaceAndTheRestGoesOn) {
  chain_->push(kSectors * kSectorBytes, kBlock);
  auto disk = open();
  io::SyncDisk sync(*reactor_, *disk);
  chain_->file().limit_size(chain_->file().bytes().size() + 3 * (kBlock + 4096));
  auto data = sectors_of(7);
  uint64_t written = 0;
  IoStatus status = IoStatus::kOk;
  for (uint64_t sector = 0; sector < kSectors && status == IoStatus::kOk; sector += kPerBlock) {
    status = sync.write(sector, data);
    if (status == IoStatus::kOk) ++written;
  }
  EXPECT_EQ(status, IoStatus::kNoSpace);
  EXPECT_GT(written, 0u);
  EXPECT_EQ(sync.write(1, data), IoStatus::kOk);
  EXPECT_EQ(sync.simple(IoOp::kFlush), IoStatus::kOk);
  const auto shown = read_all(*disk);
  disk.reset();
  EXPECT_TRUE(read_all(*open()) == shown);
}

TEST_F(FaultTest, BitmapThatCannotBeReadFailsTheReadAndIsTriedAgain) {
  chain_->push(kSectors * kSectorBytes, kBlock);
  auto data = sectors_of(3);
  {
    auto disk = open();
    ASSERT_EQ(io::SyncDisk(*reactor_, *disk).write(0, data), IoStatus::kOk);
  }
  auto disk = open();
  io::SyncDisk sync(*reactor_, *disk);
  chain_->file().fail(FileOp::kRead, EIO);
  std::vector<std::byte> read(kSectorBytes);
  EXPECT_EQ(sync.read(0, read), IoStatus::kMediumError);
  EXPECT_EQ(sync.read(0, read), IoStatus::kOk);
  EXPECT_EQ(read, data);
}

}  // namespace
}  // namespace viridian::vhd
