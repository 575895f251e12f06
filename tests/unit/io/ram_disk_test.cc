#include "io/ram_disk.h"

#include "tests/conformance/block_device_suite.h"

namespace viridian::io {
namespace {

struct RamDiskUnderTest : DiskUnderTest {
  explicit RamDiskUnderTest(Reactor& reactor) : ram(reactor, kSuiteSectors) {}
  BlockDevice& disk() override { return ram; }
  RamDisk ram;
};

INSTANTIATE_TEST_SUITE_P(
    Ram, BlockDeviceSuite,
    testing::Values(DiskFactory{
        "RamDisk", [](Reactor& reactor) { return std::make_unique<RamDiskUnderTest>(reactor); }}),
    disk_factory_name);

TEST(RamDisk, ReadOnlyDiskRefusesEveryChange) {
  auto reactor = std::move(*Reactor::create());
  RamDisk ram(*reactor, 16, true);
  SyncDisk disk(*reactor, ram);
  std::vector<std::byte> sector(kSectorSize, std::byte{1});
  EXPECT_EQ(disk.write(0, sector), IoStatus::kReadOnly);
  EXPECT_EQ(disk.simple(IoOp::kWriteZeroes, 0, 1), IoStatus::kReadOnly);
  EXPECT_EQ(disk.simple(IoOp::kDiscard, 0, 1), IoStatus::kReadOnly);
  EXPECT_EQ(disk.read(0, sector), IoStatus::kOk);
  EXPECT_EQ(sector, std::vector<std::byte>(kSectorSize));
}

}  // namespace
}  // namespace viridian::io
