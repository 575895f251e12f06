// What the engine does with the file: which bytes it trusts, and what a request costs.
#include "vhd/chain_disk.h"

#include <gtest/gtest.h>

#include "tests/conformance/sync_disk.h"
#include "tests/support/memory_chain.h"

namespace viridian::vhd {
namespace {

using io::FileOp;
using io::IoOp;
using io::IoStatus;

constexpr uint32_t kBlock = 64 << 10;
constexpr uint64_t kPerBlock = kBlock / kSectorBytes;
constexpr uint64_t kBlocks = 20;
constexpr uint64_t kBytes = kBlocks * kBlock;

std::vector<std::byte> sectors_of(unsigned value, size_t count = 1) {
  return std::vector<std::byte>(count * kSectorBytes, static_cast<std::byte>(value));
}

class ChainDiskTest : public testing::Test {
 protected:
  void SetUp() override { reactor_ = std::move(*io::Reactor::create()); }
  void open() {
    disk_.reset();
    auto disk = chain_->open({8, 8, 64, 64, 4 << 20});
    ASSERT_TRUE(disk) << disk.error().message;
    disk_ = std::move(*disk);
  }
  void write(uint64_t sector, unsigned value, size_t count = 1, bool fua = false) {
    auto data = sectors_of(value, count);
    ASSERT_EQ(io::SyncDisk(*reactor_, *disk_).write(sector, data, fua), IoStatus::kOk);
  }
  void run(IoOp op, uint64_t sector = 0, uint64_t count = 0) {
    ASSERT_EQ(io::SyncDisk(*reactor_, *disk_).simple(op, sector, count), IoStatus::kOk);
  }
  // The byte that the sector is full of, or -1.
  int value_of(uint64_t sector) {
    std::vector<std::byte> data(kSectorBytes);
    EXPECT_EQ(io::SyncDisk(*reactor_, *disk_).read(sector, data), IoStatus::kOk);
    const bool same =
        std::all_of(data.begin(), data.end(), [&](std::byte byte) { return byte == data[0]; });
    return same ? static_cast<int>(data[0]) : -1;
  }
  size_t count(FileOp op) { return chain_->file().count(op); }

  std::unique_ptr<io::Reactor> reactor_;
  std::unique_ptr<MemoryChain> chain_ = nullptr;
  std::unique_ptr<ChainDisk> disk_;
};

class DynamicDisk : public ChainDiskTest {
 protected:
  void SetUp() override {
    ChainDiskTest::SetUp();
    chain_ = std::make_unique<MemoryChain>(*reactor_);
    chain_->push(kBytes, kBlock);
    open();
  }
};

TEST_F(DynamicDisk, OverwriteCostsOneFileWriteAndNoMetadata) {
  write(3, 1);
  run(IoOp::kFlush);
  const size_t writes = count(FileOp::kWrite);
  const size_t syncs = count(FileOp::kDataSync);
  for (unsigned i = 0; i < 10; ++i)
    write(3, i);
  EXPECT_EQ(count(FileOp::kWrite), writes + 10);
  EXPECT_EQ(count(FileOp::kDataSync), syncs);
  EXPECT_EQ(count(FileOp::kRead), 0u);
}

TEST_F(DynamicDisk, FlushCostsOneSyncOrTwoWhenMetadataChanged) {
  write(3, 1);
  size_t syncs = count(FileOp::kDataSync);
  run(IoOp::kFlush);
  EXPECT_EQ(count(FileOp::kDataSync), syncs + 2);
  write(3, 2);
  run(IoOp::kFlush);
  EXPECT_EQ(count(FileOp::kDataSync), syncs + 3);
}

TEST_F(DynamicDisk, ManyNewBlocksShareTheirTableSectorAndTheirSyncs) {
  const size_t syncs = count(FileOp::kDataSync);
  for (uint64_t block = 0; block < kBlocks; ++block)
    write(block * kPerBlock, 1, kPerBlock);
  const size_t writes = count(FileOp::kWrite);
  run(IoOp::kFlush);
  EXPECT_EQ(count(FileOp::kWrite), writes + kBlocks + 1) << "a bitmap each and one of the table";
  EXPECT_LE(count(FileOp::kDataSync), syncs + 4) << "two of the growth, two of the flush";
}

TEST_F(DynamicDisk, ForcedOverwriteNeedsNoSyncOfTheFile) {
  write(3, 1);
  run(IoOp::kFlush);
  const size_t syncs = count(FileOp::kDataSync);
  write(3, 2, 1, true);
  EXPECT_EQ(count(FileOp::kDataSync), syncs);
  write(kPerBlock, 2, 1, true);
  EXPECT_GT(count(FileOp::kDataSync), syncs) << "a new block's metadata must be durable too";
}

TEST_F(DynamicDisk, UnsetBitReadsAsZeroWhateverTheFileHolds) {
  write(0, 1);
  disk_.reset();
  auto bytes = chain_->leaf_bytes();
  const Image image = *load_image_from(bytes, "image.vhd");
  const size_t data = image.bat[0] * size_t{kSectorBytes} + image.bitmap_bytes;
  std::fill_n(bytes.begin() + static_cast<ptrdiff_t>(data), kBlock, std::byte{0xAA});
  chain_->set_leaf_bytes(bytes);
  open();
  EXPECT_EQ(value_of(0), 0xAA);
  EXPECT_EQ(value_of(1), 0);
  write(2, 5);
  EXPECT_EQ(value_of(1), 0);
  EXPECT_EQ(value_of(2), 5);
  EXPECT_EQ(value_of(3), 0);
}

TEST_F(DynamicDisk, NewDataIsAlignedTo4KiB) {
  for (uint64_t block = 0; block < kBlocks; block += 3)
    write(block * kPerBlock + 5, 1);
  disk_.reset();
  const Image image = *load_image_from(chain_->leaf_bytes(), "image.vhd");
  for (uint32_t place : image.bat) {
    if (place == kUnusedEntry) continue;
    EXPECT_EQ((uint64_t{place} * kSectorBytes + image.bitmap_bytes) % 4096, 0u);
  }
}

TEST_F(DynamicDisk, CleanCloseLeavesNoSlackBehindTheLastBlock) {
  write(0, 1);
  disk_.reset();
  const auto bytes = chain_->leaf_bytes();
  const Image image = *load_image_from(bytes, "image.vhd");
  EXPECT_FALSE(image.footers_damaged);
  EXPECT_EQ(bytes.size(), image.data_end + kSectorBytes);
}

TEST_F(DynamicDisk, DiscardedBlocksAreUsedAgain) {
  for (uint64_t block = 0; block < 10; ++block)
    write(block * kPerBlock, 1, kPerBlock);
  run(IoOp::kFlush);
  run(IoOp::kDiscard, 0, 10 * kPerBlock);
  EXPECT_EQ(value_of(0), 0);
  // The first makes the free durable; behind it the space is zeroed, and one that begins after that
  // makes the zeroes durable.
  for (int i = 0; i < 30; ++i)
    run(IoOp::kFlush);
  for (uint64_t block = 10; block < 20; ++block)
    write(block * kPerBlock, 2);
  disk_.reset();
  const Image image = *load_image_from(chain_->leaf_bytes(), "image.vhd");
  EXPECT_LT(image.data_end, 12 * (kBlock + 4096) + 16384);
  open();
  for (uint64_t block = 10; block < 20; ++block) {
    EXPECT_EQ(value_of(block * kPerBlock), 2);
    EXPECT_EQ(value_of(block * kPerBlock + 1), 0) << "an old block shows through";
  }
}

TEST_F(DynamicDisk, PlacesThatAnEarlierSessionFreedAreUsedAgain) {
  for (uint64_t block = 0; block < 10; ++block)
    write(block * kPerBlock, 1, kPerBlock);
  run(IoOp::kFlush);
  run(IoOp::kDiscard, 2 * kPerBlock, 6 * kPerBlock);
  disk_.reset();
  const Image before = *load_image_from(chain_->leaf_bytes(), "image.vhd");
  EXPECT_EQ(before.gaps.size(), 1u);
  open();
  for (uint64_t block = 10; block < 16; ++block)
    write(block * kPerBlock, 2);
  disk_.reset();
  const Image after = *load_image_from(chain_->leaf_bytes(), "image.vhd");
  EXPECT_EQ(after.data_end, before.data_end);
  EXPECT_TRUE(after.gaps.empty());
  open();
  for (uint64_t block = 10; block < 16; ++block) {
    EXPECT_EQ(value_of(block * kPerBlock), 2);
    EXPECT_EQ(value_of(block * kPerBlock + 1), 0) << "an old block shows through";
  }
}

TEST_F(DynamicDisk, DiscardPunchesTheBlocksSpace) {
  write(0, 1, kPerBlock);
  write(kPerBlock, 1, kPerBlock);
  run(IoOp::kFlush);
  const size_t zeroed = count(FileOp::kZero);
  run(IoOp::kDiscard, 0, kPerBlock);
  EXPECT_EQ(count(FileOp::kZero), zeroed) << "before the table's entry is durable";
  run(IoOp::kFlush);
  run(IoOp::kFlush);
  EXPECT_EQ(count(FileOp::kZero), zeroed + 1);
}

TEST_F(DynamicDisk, DiscardOfMoreBlocksThanAreOnTheirWayFreesThemAll) {
  write(0, 1, kBlocks * kPerBlock);
  run(IoOp::kFlush);
  run(IoOp::kDiscard, 0, kBlocks * kPerBlock);
  disk_.reset();
  const Image image = *load_image_from(chain_->leaf_bytes(), "image.vhd");
  EXPECT_EQ(std::count(image.bat.begin(), image.bat.end(), kUnusedEntry), int64_t{kBlocks});
}

TEST_F(DynamicDisk, FileGrowsAheadOfNeedWithOneSync) {
  disk_.reset();
  auto disk = chain_->open({8, 8, 64, 64, 4 * kBlock});
  ASSERT_TRUE(disk);
  disk_ = std::move(*disk);
  write(0, 1);  // the first growth, whose end is where no block will be
  const size_t syncs = count(FileOp::kDataSync);
  const size_t zeroed = count(FileOp::kZero);
  const size_t size = chain_->file().bytes().size();
  for (uint64_t block = 1; block < 4; ++block)
    write(block * kPerBlock, 1);
  reactor_->run_until([&] { return count(FileOp::kDataSync) > syncs; });
  write(4 * kPerBlock, 1);
  EXPECT_GT(chain_->file().bytes().size(), size);
  EXPECT_EQ(count(FileOp::kDataSync), syncs + 1);
  EXPECT_EQ(count(FileOp::kZero), zeroed) << "the old footer is in no block's way";
}

TEST_F(DynamicDisk, ChangesWithoutAFlushAreCommittedAfterAWhile) {
  disk_.reset();
  DiskLimits limits;
  limits.commit_after_ms = 1;
  auto disk = chain_->open(limits);
  ASSERT_TRUE(disk);
  disk_ = std::move(*disk);
  write(0, 1, kPerBlock);
  const size_t writes = count(FileOp::kWrite);
  reactor_->run_until([&] { return count(FileOp::kWrite) >= writes + 2; });
  const Image image = *load_image_from(chain_->leaf_bytes(), "image.vhd");
  EXPECT_NE(image.bat[0], kUnusedEntry);
}

TEST_F(DynamicDisk, WaitingRequestsOfAFullPoolAllEnd) {
  disk_.reset();
  auto small = chain_->open({1, 1, 1, 1, 0});
  ASSERT_TRUE(small);
  disk_ = std::move(*small);
  auto data = sectors_of(9, kPerBlock * kBlocks);
  ASSERT_EQ(io::SyncDisk(*reactor_, *disk_).write(0, data), IoStatus::kOk);
  std::vector<std::byte> read(data.size());
  ASSERT_EQ(io::SyncDisk(*reactor_, *disk_).read(0, read), IoStatus::kOk);
  EXPECT_TRUE(read == data);
}

class DifferencingDisk : public ChainDiskTest {
 protected:
  // Layer n, counted from the base, writes n + 1 to its sectors.
  void SetUp() override {
    ChainDiskTest::SetUp();
    chain_ = std::make_unique<MemoryChain>(*reactor_);
    for (unsigned layer = 0; layer < 4; ++layer) {
      chain_->push(layer < 2 ? kBytes / 2 : kBytes, kBlock);
      if (layer == 3) break;
      open();
      write(layer, layer + 1, 10);
      write(kPerBlock * (2 + layer), layer + 1, 3);
      disk_.reset();
    }
    open();
  }
};

TEST_F(DifferencingDisk, EachSectorComesFromTheNearestLayerThatHasIt) {
  EXPECT_EQ(value_of(0), 1);
  EXPECT_EQ(value_of(1), 2);
  EXPECT_EQ(value_of(2), 3);
  EXPECT_EQ(value_of(11), 3);
  EXPECT_EQ(value_of(12), 0);
  EXPECT_EQ(value_of(2 * kPerBlock), 1);
  EXPECT_EQ(value_of(3 * kPerBlock + 2), 2);
  EXPECT_EQ(value_of(3 * kPerBlock + 3), 0);
}

TEST_F(DifferencingDisk, WritesGoToTheChildAlone) {
  std::vector<std::vector<std::byte>> before;
  for (size_t i = 1; i < 4; ++i)
    before.push_back(chain_->file(i).bytes());
  write(1, 77, 2);
  write(2 * kPerBlock + 1, 78);
  EXPECT_EQ(value_of(0), 1);
  EXPECT_EQ(value_of(1), 77);
  EXPECT_EQ(value_of(3), 3);
  EXPECT_EQ(value_of(2 * kPerBlock), 1);
  EXPECT_EQ(value_of(2 * kPerBlock + 1), 78);
  disk_.reset();
  for (size_t i = 1; i < 4; ++i) {
    EXPECT_TRUE(chain_->file(i).bytes() == before[i - 1]);
    EXPECT_EQ(chain_->file(i).count(FileOp::kWrite), 0u);
  }
}

TEST_F(DifferencingDisk, WhatLiesBehindASmallerParentIsZero) {
  EXPECT_EQ(disk_->info().sector_count, kBytes / kSectorBytes);
  EXPECT_EQ(value_of(kBytes / 2 / kSectorBytes), 0);
  EXPECT_EQ(value_of(kBytes / kSectorBytes - 1), 0);
  write(kBytes / kSectorBytes - 1, 5);
  EXPECT_EQ(value_of(kBytes / kSectorBytes - 1), 5);
}

TEST_F(DifferencingDisk, DiscardedBlockOfTheChildKeepsHidingItsParent) {
  write(0, 50, kPerBlock);
  run(IoOp::kDiscard, 0, kPerBlock);
  EXPECT_EQ(value_of(0), 0);
  EXPECT_EQ(value_of(1), 0);
  open();
  EXPECT_EQ(value_of(0), 0);
}

TEST_F(DifferencingDisk, DiscardOfWhatOnlyTheParentHasKeepsShowingIt) {
  run(IoOp::kDiscard, 0, kPerBlock);
  EXPECT_EQ(value_of(0), 1);
}

TEST_F(DifferencingDisk, ZeroesHideTheParent) {
  run(IoOp::kWriteZeroes, 1, 1);
  run(IoOp::kWriteZeroes, 2 * kPerBlock, kPerBlock);
  EXPECT_EQ(value_of(0), 1);
  EXPECT_EQ(value_of(1), 0);
  EXPECT_EQ(value_of(2), 3);
  EXPECT_EQ(value_of(2 * kPerBlock), 0);
  open();
  EXPECT_EQ(value_of(1), 0);
  EXPECT_EQ(value_of(2 * kPerBlock), 0);
  const size_t size = chain_->file().bytes().size();
  run(IoOp::kWriteZeroes, 8 * kPerBlock, 2 * kPerBlock);
  EXPECT_EQ(chain_->file().bytes().size(), size) << "zeroes where no layer has anything";
}

}  // namespace
}  // namespace viridian::vhd
