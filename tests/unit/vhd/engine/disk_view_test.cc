// A disk used from two reactors: what a view serves itself, what keeps freed space from being used
// too soon, and two threads that allocate, discard and read side by side.
#include "vhd/disk_view.h"

#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <random>
#include <thread>

#include "tests/conformance/sync_disk.h"
#include "tests/support/temp_folder.h"
#include "tests/unit/vhd/engine/disk_request.h"
#include "vhd/create.h"
#include "vhd/open_disk.h"

namespace viridian::vhd {
namespace {

using io::IoOp;
using io::IoStatus;

constexpr uint32_t kBlock = 64 << 10;
constexpr uint64_t kPerBlock = kBlock / kSectorBytes;
constexpr uint64_t kBlocks = 24;

std::string make_dynamic(const TempFolder& folder) {
  const std::string path = folder.file("disk.vhd");
  CreateOptions options;
  options.size_bytes = kBlocks * kBlock;
  options.block_size = kBlock;
  const auto made = create_dynamic(path, options);
  EXPECT_TRUE(made) << made.error().message;
  return path;
}

// Both reactors are turned by the test's one thread, so that it decides who goes on.
class DiskViewTest : public testing::Test {
 protected:
  void SetUp() override {
    home_ = std::move(*io::Reactor::create());
    other_ = std::move(*io::Reactor::create());
    auto disk = open_disk(*home_, make_dynamic(folder_));
    ASSERT_TRUE(disk) << disk.error().message;
    disk_ = std::move(*disk);
    auto view = open_second_queue(*disk_, *other_);
    ASSERT_TRUE(view) << view.error().message;
    view_ = std::move(*view);
  }
  void TearDown() override {
    view_.reset();
    disk_.reset();
  }
  DiskView& view() { return dynamic_cast<DiskView&>(*view_); }
  void finish(Request& request) {
    while (!request.ended) {
      home_->turn(false);
      other_->turn(false);
    }
    EXPECT_EQ(request.status, IoStatus::kOk);
  }
  int read_by(io::BlockDevice& disk, uint64_t sector) {
    Request request(IoOp::kRead, sector, 1);
    disk.submit(request);
    finish(request);
    return request.value();
  }
  void run_by(io::BlockDevice& disk, IoOp op, uint64_t sector, uint64_t count, unsigned value = 0) {
    Request request(op, sector, count, value);
    disk.submit(request);
    finish(request);
  }
  uint64_t file_size() { return std::filesystem::file_size(folder_.file("disk.vhd")); }

  TempFolder folder_{"/dev/shm"};
  std::unique_ptr<io::Reactor> home_;
  std::unique_ptr<io::Reactor> other_;
  std::unique_ptr<io::BlockDevice> disk_;
  std::unique_ptr<io::BlockDevice> view_;
};

TEST_F(DiskViewTest, WhatIsWhollyThereAndHolesAreServedWithoutTheDisksReactor) {
  run_by(*disk_, IoOp::kWrite, 0, kPerBlock, 7);
  Request there(IoOp::kRead, 5, 3), hole(IoOp::kRead, 5 * kPerBlock, 8);
  Request over(IoOp::kWrite, 5, 1, 8);
  for (Request* request : {&there, &hole, &over}) {
    view_->submit(*request);
    while (!request->ended)
      other_->turn(true);
  }
  EXPECT_EQ(there.value(), 7);
  EXPECT_EQ(hole.value(), 0);
  EXPECT_EQ(view().forwarded_count(), 0u);
  EXPECT_EQ(read_by(*disk_, 5), 8);
}

TEST_F(DiskViewTest, NewBlocksAndBitmapsAreLeftToTheDisk) {
  run_by(*view_, IoOp::kWrite, 3, 1, 9);
  EXPECT_EQ(read_by(*view_, 3), 9);
  EXPECT_EQ(read_by(*view_, 4), 0);
  run_by(*view_, IoOp::kFlush, 0, 0);
  EXPECT_EQ(view().forwarded_count(), 4u);
  EXPECT_EQ(read_by(*disk_, 3), 9);
}

TEST_F(DiskViewTest, FreedSpaceIsNotUsedAgainWhileTheViewMayReadIt) {
  run_by(*disk_, IoOp::kWrite, 0, kPerBlock, 7);
  run_by(*disk_, IoOp::kFlush, 0, 0);
  Request slow(IoOp::kRead, 0, kPerBlock);
  view_->submit(slow);  // started; its reactor does not go on yet
  Request discard(IoOp::kDiscard, 0, kPerBlock);
  disk_->submit(discard);
  while (!discard.ended)
    home_->turn(true);
  for (int i = 0; i < 10; ++i) {
    Request flush(IoOp::kFlush, 0, 0);
    disk_->submit(flush);
    while (!flush.ended)
      home_->turn(true);
  }
  finish(slow);
  EXPECT_EQ(slow.value(), 7) << "the space was zeroed under a reader";
  EXPECT_EQ(read_by(*view_, 0), 0);
}

TEST_F(DiskViewTest, RequestsOutsideTheDiskEndAsOnTheDisk) {
  Request request(IoOp::kRead, kBlocks * kPerBlock, 1);
  view_->submit(request);
  while (!request.ended)
    other_->turn(true);
  EXPECT_EQ(request.status, IoStatus::kOutOfRange);
}

// A queue's part of the disk: every second block, known to it alone.
class Queue {
 public:
  Queue(io::Reactor& reactor, io::BlockDevice& disk, unsigned first)
      : sync_(reactor, disk), random_(first + 1), first_(first) {}

  bool step() {
    const uint64_t block = first_ + random_() % (kBlocks / 2) * 2;
    const uint64_t from = random_() % 3 == 0 ? 0 : random_() % kPerBlock;
    const uint64_t count = from == 0 ? kPerBlock : 1 + random_() % (kPerBlock - from);
    const uint64_t sector = block * kPerBlock + from;
    switch (random_() % 8) {
      case 0:
        if (sync_.simple(IoOp::kDiscard, block * kPerBlock, kPerBlock) != IoStatus::kOk)
          return false;
        for (uint64_t i = 0; i < kPerBlock; ++i)
          model_[block * kPerBlock + i] = 0;
        return true;
      case 1:
        return sync_.simple(IoOp::kFlush) == IoStatus::kOk;
      case 2:
      case 3:
      case 4: {
        const unsigned value = 1 + static_cast<unsigned>(random_() % 255);
        std::vector<std::byte> data(count * kSectorBytes, static_cast<std::byte>(value));
        for (uint64_t i = 0; i < count; ++i)
          model_[sector + i] = value;
        return sync_.write(sector, data, random_() % 8 == 0) == IoStatus::kOk;
      }
      default: {
        std::vector<std::byte> data(count * kSectorBytes);
        if (sync_.read(sector, data) != IoStatus::kOk) return false;
        for (size_t i = 0; i < data.size(); ++i) {
          const uint64_t at = sector + i / kSectorBytes;
          if (data[i] != static_cast<std::byte>(model_[at])) return false;
        }
        return true;
      }
    }
  }

 private:
  io::SyncDisk sync_;
  std::minstd_rand random_;
  unsigned first_;
  std::map<uint64_t, unsigned> model_;
};

TEST(DiskViews, TwoThreadsAllocateDiscardAndReadSideBySide) {
  const TempFolder folder("/dev/shm");
  auto home = std::move(*io::Reactor::create());
  auto opened = open_disk(*home, make_dynamic(folder));
  ASSERT_TRUE(opened) << opened.error().message;
  std::unique_ptr<io::BlockDevice> disk = std::move(*opened);
  {
    std::vector<std::unique_ptr<io::Reactor>> reactors;
    std::vector<std::unique_ptr<io::BlockDevice>> views;
    for (int i = 0; i < 2; ++i) {
      reactors.push_back(std::move(*io::Reactor::create()));
      views.push_back(std::move(*open_second_queue(*disk, *reactors.back())));
    }
    std::jthread owner([&](const std::stop_token& stop) {
      home->run(stop);
      disk.reset();
      home.reset();
    });
    {
      std::vector<std::jthread> queues;
      for (unsigned i = 0; i < 2; ++i) {
        queues.emplace_back([&, i] {
          Queue queue(*reactors[i], *views[i], i);
          for (int step = 0; step < 600; ++step)
            ASSERT_TRUE(queue.step()) << "queue " << i << " step " << step;
        });
      }
    }
    views.clear();
  }
  auto reactor = std::move(*io::Reactor::create());
  EXPECT_TRUE(open_disk(*reactor, folder.file("disk.vhd")));
}

}  // namespace
}  // namespace viridian::vhd
