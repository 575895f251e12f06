#include "io/fault_disk.h"

#include <gtest/gtest.h>

#include "io/ram_disk.h"
#include "tests/conformance/sync_disk.h"

namespace viridian::io {
namespace {

class FaultDiskTest : public testing::Test {
 protected:
  std::unique_ptr<Reactor> reactor_ = std::move(*Reactor::create());
  RamDisk ram_{*reactor_, 64};
  FaultDisk fault_{*reactor_, ram_};
  SyncDisk disk_{*reactor_, fault_};
  std::vector<std::byte> sector_ = std::vector<std::byte>(kSectorSize, std::byte{7});
};

TEST_F(FaultDiskTest, ChosenOperationFailsAsOftenAsAskedAndReachesNothing) {
  fault_.fail_next(IoOp::kWrite, IoStatus::kNoSpace, 2);
  EXPECT_EQ(disk_.write(0, sector_), IoStatus::kNoSpace);
  EXPECT_EQ(disk_.simple(IoOp::kFlush), IoStatus::kOk);
  EXPECT_EQ(disk_.write(0, sector_), IoStatus::kNoSpace);
  EXPECT_EQ(ram_.bytes()[0], std::byte{0});
  EXPECT_EQ(disk_.write(0, sector_), IoStatus::kOk);
  EXPECT_EQ(ram_.bytes()[0], std::byte{7});
}

TEST_F(FaultDiskTest, HeldRequestEndsOnlyAfterRelease) {
  static bool ended;
  ended = false;
  IoRequest request;
  request.op = IoOp::kFlush;
  request.done = [](IoRequest&) noexcept { ended = true; };
  fault_.hold();
  fault_.submit(request);
  reactor_->turn(false);
  reactor_->turn(false);
  EXPECT_FALSE(ended);
  EXPECT_EQ(fault_.waiting(), 1u);
  fault_.release();
  reactor_->run_until([] { return ended; });
}

}  // namespace
}  // namespace viridian::io
