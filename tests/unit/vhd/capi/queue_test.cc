// A second queue of an open disk, used by another thread through the C interface.
#include <poll.h>

#include <atomic>
#include <cerrno>
#include <functional>
#include <thread>

#include "tests/support/temp_folder.h"
#include "tests/unit/vhd/capi/capi_disk.h"

namespace viridian::vhd {
namespace {

constexpr uint64_t kMiB = 1 << 20;

viridian_vhd_queue_options queue_options(uint32_t flags = 0) {
  viridian_vhd_queue_options options = {};
  options.struct_size = sizeof(options);
  options.flags = flags;
  return options;
}

class CapiQueue : public ::testing::Test {
 protected:
  CapiQueue() { EXPECT_EQ(make_image(path_, VIRIDIAN_VHD_DYNAMIC, 10 * kMiB), 0); }

  viridian_vhd* open_queue(viridian_vhd* disk, uint32_t flags = 0) {
    viridian_vhd* queue = nullptr;
    viridian_vhd_error error;
    const viridian_vhd_queue_options options = queue_options(flags);
    EXPECT_EQ(viridian_vhd_open_queue(disk, &options, &queue, &error), 0) << error.message;
    return queue;
  }
  // Runs `work` on another thread, and the disk's own loop on this one.
  void run_beside(viridian_vhd* disk, const std::function<void()>& work) {
    const int fd = viridian_vhd_fd(disk, nullptr);
    ASSERT_GE(fd, 0);
    std::atomic<bool> ended = false;
    std::thread thread([&] {
      work();
      ended.store(true);
    });
    while (!ended.load()) {
      pollfd one = {fd, POLLIN, 0};
      if (::poll(&one, 1, 10) == 1) {
        EXPECT_GE(viridian_vhd_poll(disk, nullptr), 0);
      }
    }
    thread.join();
  }

  TempFolder folder_;
  std::string path_ = folder_.file("disk.vhd");
};

TEST_F(CapiQueue, AnotherThreadWritesNewBlocksFlushesAndReadsThem) {
  {
    CapiDisk disk(path_);
    ASSERT_EQ(disk.write(0, 4096, 1), 0);
    CapiDisk queue(open_queue(disk));
    EXPECT_EQ(queue.info().size_bytes, disk.info().size_bytes);
    EXPECT_EQ(queue.info().kind, disk.info().kind);
    run_beside(disk, [&] {
      EXPECT_EQ(queue.fill_of(0, 4096), 1);
      for (uint64_t at = 0; at < 8 * kMiB; at += kMiB)
        EXPECT_EQ(queue.write(at, kMiB, 2), 0);
      EXPECT_EQ(viridian_vhd_flush(queue, nullptr), 0);
      EXPECT_EQ(queue.fill_of(0, 8 * kMiB), 2);
      EXPECT_EQ(queue.write(10 * kMiB, 512, 2), -ERANGE);
    });
    EXPECT_EQ(disk.fill_of(0, 8 * kMiB), 2);
  }
  EXPECT_EQ(CapiDisk(path_).fill_of(0, 8 * kMiB), 2);
}

TEST_F(CapiQueue, RequestsOfBothQueuesGoOnAtTheSameTimeEachInItsOwnLoop) {
  struct Request : viridian_vhd_request {
    iovec part;
    std::vector<char> bytes = std::vector<char>(4096);
    int ends = 0;
  };
  CapiDisk disk(path_);
  ASSERT_EQ(disk.write(0, 4 * kMiB, 3), 0);
  CapiDisk queue(open_queue(disk, VIRIDIAN_VHD_ONE_THREAD));
  const auto read_all = [](viridian_vhd* handle) {
    std::vector<Request> requests(64);
    int ends = 0;
    for (Request& request : requests) {
      const auto index = static_cast<uint64_t>(&request - requests.data());
      request.part = {request.bytes.data(), request.bytes.size()};
      request.op = VIRIDIAN_VHD_OP_READ;
      request.offset = index * 65536;
      request.iov = &request.part;
      request.iov_count = 1;
      request.user = &ends;
      request.done = [](viridian_vhd_request* self, int result) {
        EXPECT_EQ(result, 0);
        ++*static_cast<int*>(self->user);
      };
      viridian_vhd_request* one = &request;
      ASSERT_EQ(viridian_vhd_submit(handle, &one, 1, nullptr), 1);
    }
    const int fd = viridian_vhd_fd(handle, nullptr);
    while (ends < 64) {
      pollfd one = {fd, POLLIN, 0};
      ASSERT_EQ(::poll(&one, 1, 10000), 1) << "nothing arrived within ten seconds";
      ASSERT_GE(viridian_vhd_poll(handle, nullptr), 0);
    }
    for (const Request& request : requests)
      EXPECT_EQ(request.bytes, std::vector<char>(4096, 3));
  };
  run_beside(disk, [&] {
    read_all(queue);
    EXPECT_EQ(queue.close(), 0);
  });
  read_all(disk);
}

TEST_F(CapiQueue, DiskIsNeitherClosedNorSnapshottedWhileAQueueIsOpen) {
  CapiDisk disk(path_);
  {
    CapiDisk queue(open_queue(disk));
    EXPECT_EQ(viridian_vhd_close(disk, nullptr), -EBUSY);
    EXPECT_EQ(viridian_vhd_snapshot(disk, folder_.file("child.vhd").c_str(), nullptr), -EBUSY);
    EXPECT_EQ(viridian_vhd_snapshot(queue, folder_.file("child.vhd").c_str(), nullptr),
              -EOPNOTSUPP);
  }
  EXPECT_EQ(viridian_vhd_snapshot(disk, folder_.file("child.vhd").c_str(), nullptr), 0);
}

TEST_F(CapiQueue, WhatMakesNoSenseIsRefusedAndLeavesNoQueue) {
  CapiDisk disk(path_);
  CapiDisk queue(open_queue(disk));
  viridian_vhd* none = nullptr;
  EXPECT_EQ(viridian_vhd_open_queue(queue, nullptr, &none, nullptr), -EINVAL);
  EXPECT_EQ(viridian_vhd_open_queue(disk, nullptr, nullptr, nullptr), -EINVAL);
  viridian_vhd_queue_options options = queue_options(VIRIDIAN_VHD_READ_ONLY);
  EXPECT_EQ(viridian_vhd_open_queue(disk, &options, &none, nullptr), -EINVAL);
  options = queue_options();
  options.queue_depth = 4097;
  EXPECT_EQ(viridian_vhd_open_queue(disk, &options, &none, nullptr), -EINVAL);
  options = queue_options();
  options.struct_size = 0;
  EXPECT_EQ(viridian_vhd_open_queue(disk, &options, &none, nullptr), -EINVAL);
  EXPECT_EQ(none, nullptr);
}

}  // namespace
}  // namespace viridian::vhd
