// The conformance suite on every kind of disk, on a file with direct I/O and on tmpfs.
#include <gtest/gtest.h>

#include <fstream>
#include <thread>

#include "tests/conformance/block_device_suite.h"
#include "tests/support/loop_device.h"
#include "tests/support/temp_folder.h"
#include "vhd/create.h"
#include "vhd/open_disk.h"

namespace viridian::io {
namespace {

constexpr uint64_t kBytes = kSuiteSectors * kSectorSize;

struct FileDisk : DiskUnderTest {
  explicit FileDisk(const char* under) : folder(under) {}
  BlockDevice& disk() override { return *opened; }

  TempFolder folder;
  std::optional<LoopDevice> device;
  std::unique_ptr<BlockDevice> opened;
};

// Makes the image and returns its path.
using Make = std::string (*)(const TempFolder& folder);

std::string make_raw(const TempFolder& folder) {
  const std::string path = folder.file("disk.raw");
  std::ofstream(path).close();
  std::filesystem::resize_file(path, kBytes);
  return path;
}

std::string made(const std::string& path, const Result<void>& result) {
  EXPECT_TRUE(result) << result.error().message;
  return path;
}

vhd::CreateOptions options(uint32_t block_size = vhd::kDefaultBlockSize) {
  vhd::CreateOptions result;
  result.size_bytes = kBytes;
  result.block_size = block_size;
  return result;
}

std::string make_fixed(const TempFolder& folder) {
  const std::string path = folder.file("fixed.vhd");
  return made(path, vhd::create_fixed(path, options()));
}

template <uint32_t block_size>
std::string make_dynamic(const TempFolder& folder) {
  const std::string path = folder.file("dynamic.vhd");
  return made(path, vhd::create_dynamic(path, options(block_size)));
}

template <int depth>
std::string make_differencing(const TempFolder& folder) {
  std::string below = make_dynamic<vhd::kDefaultBlockSize>(folder);
  for (int i = 0; i < depth; ++i) {
    const std::string path = folder.file("child" + std::to_string(i) + ".vhd");
    below = made(path, vhd::create_differencing(path, below, options()));
  }
  return below;
}

DiskFactory factory(const std::string& name, const char* under, CacheMode cache, Make make) {
  return {name, [=](Reactor& reactor) -> std::unique_ptr<DiskUnderTest> {
            auto disk = std::make_unique<FileDisk>(under);
            vhd::DiskOptions open_options;
            open_options.cache = cache;
            auto opened = vhd::open_disk(reactor, make(disk->folder), open_options);
            EXPECT_TRUE(opened) << opened.error().message;
            if (!opened) return nullptr;
            disk->opened = std::move(*opened);
            return disk;
          }};
}

std::string missing_for_device() {
  const TempFolder folder("/var/tmp");
  return LoopDevice(make_raw(folder)).ok() ? "" : "a loop device (root, and the loop driver)";
}

DiskFactory device_factory(CacheMode cache) {
  return {cache == CacheMode::kNone ? "Device" : "DeviceBuffered",
          [=](Reactor& reactor) -> std::unique_ptr<DiskUnderTest> {
            auto disk = std::make_unique<FileDisk>("/var/tmp");
            disk->device.emplace(make_raw(disk->folder));
            vhd::DiskOptions open_options;
            open_options.cache = cache;
            auto opened = vhd::open_disk(reactor, disk->device->path(), open_options);
            EXPECT_TRUE(opened) << opened.error().message;
            if (!opened) return nullptr;
            disk->opened = std::move(*opened);
            return disk;
          },
          missing_for_device};
}

// The suite's reactor is a second queue: the disk's own runs on another thread.
struct SecondQueue : DiskUnderTest {
  ~SecondQueue() override { view.reset(); }
  BlockDevice& disk() override { return *view; }

  TempFolder folder{"/dev/shm"};
  std::unique_ptr<Reactor> home;
  std::unique_ptr<BlockDevice> opened;
  std::unique_ptr<BlockDevice> view;
  std::jthread owner;
};

DiskFactory second_queue_factory(const std::string& name, Make make) {
  return {name, [=](Reactor& reactor) -> std::unique_ptr<DiskUnderTest> {
            auto disk = std::make_unique<SecondQueue>();
            disk->home = std::move(*Reactor::create());
            auto opened = vhd::open_disk(*disk->home, make(disk->folder));
            EXPECT_TRUE(opened) << opened.error().message;
            if (!opened) return nullptr;
            disk->opened = std::move(*opened);
            disk->view = std::move(*vhd::open_second_queue(*disk->opened, reactor));
            disk->owner = std::jthread([&at = *disk](const std::stop_token& stop) {
              at.home->run(stop);
              at.opened.reset();
            });
            return disk;
          }};
}

INSTANTIATE_TEST_SUITE_P(
    Vhd, BlockDeviceSuite,
    testing::Values(
        factory("Raw", "/var/tmp", CacheMode::kNone, make_raw),
        factory("Fixed", "/var/tmp", CacheMode::kNone, make_fixed),
        factory("Dynamic", "/var/tmp", CacheMode::kNone, make_dynamic<2 << 20>),
        factory("DynamicBuffered", "/var/tmp", CacheMode::kWriteback, make_dynamic<2 << 20>),
        factory("DynamicSmallBlocks", "/var/tmp", CacheMode::kNone, make_dynamic<4096>),
        factory("DynamicLargeBlocks", "/var/tmp", CacheMode::kNone, make_dynamic<8 << 20>),
        factory("Differencing1", "/var/tmp", CacheMode::kNone, make_differencing<1>),
        factory("Differencing3", "/var/tmp", CacheMode::kNone, make_differencing<3>),
        factory("RawOnTmpfs", "/dev/shm", CacheMode::kNone, make_raw),
        factory("FixedOnTmpfs", "/dev/shm", CacheMode::kNone, make_fixed),
        factory("DynamicOnTmpfs", "/dev/shm", CacheMode::kNone, make_dynamic<2 << 20>),
        factory("DynamicTinyBlocksOnTmpfs", "/dev/shm", CacheMode::kNone, make_dynamic<512>),
        factory("Differencing3OnTmpfs", "/dev/shm", CacheMode::kNone, make_differencing<3>),
        second_queue_factory("SecondQueueFixed", make_fixed),
        second_queue_factory("SecondQueueDynamic", make_dynamic<2 << 20>),
        second_queue_factory("SecondQueueSmallBlocks", make_dynamic<4096>),
        second_queue_factory("SecondQueueDifferencing", make_differencing<2>),
        device_factory(CacheMode::kNone), device_factory(CacheMode::kWriteback)),
    disk_factory_name);

}  // namespace
}  // namespace viridian::io
