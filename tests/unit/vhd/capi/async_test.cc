#include <poll.h>

#include <cerrno>
#include <deque>
#include <functional>
#include <stdexcept>
#include <string>
#include <thread>

#include "tests/support/temp_folder.h"
#include "tests/unit/vhd/capi/capi_disk.h"

namespace viridian::vhd {
namespace {

constexpr uint64_t kMiB = 1 << 20;

// A request with memory of its own that notes how often and with what it ended.
struct Request : viridian_vhd_request {
  Request(uint32_t op_in, uint64_t offset_in, size_t length_in, int fill = 0)
      : viridian_vhd_request{}, bytes(length_in, static_cast<char>(fill)) {
    part = {bytes.data(), bytes.size()};
    op = op_in;
    offset = offset_in;
    iov = &part;
    iov_count = 1;
    done = [](viridian_vhd_request* request, int result_in) {
      auto& self = *static_cast<Request*>(request);
      ++self.ends;
      self.result = result_in;
      if (self.then) self.then();
    };
  }
  std::vector<char> bytes;
  iovec part;
  int ends = 0;
  int result = 1;
  std::function<void()> then;
};

class CapiAsync : public ::testing::Test {
 protected:
  CapiAsync() { EXPECT_EQ(make_image(path_, VIRIDIAN_VHD_DYNAMIC, 10 * kMiB), 0); }

  int submit(viridian_vhd* disk, std::initializer_list<viridian_vhd_request*> requests) {
    return viridian_vhd_submit(disk, requests.begin(), static_cast<int>(requests.size()), nullptr);
  }
  // As a caller's own loop does: sleeps until the descriptor is readable.
  void poll_until(viridian_vhd* disk, const std::function<bool()>& done) {
    const int fd = viridian_vhd_fd(disk, nullptr);
    ASSERT_GE(fd, 0);
    while (!done()) {
      pollfd one = {fd, POLLIN, 0};
      if (::poll(&one, 1, 10000) == 0) FAIL() << "nothing arrived within ten seconds";
      ASSERT_GE(viridian_vhd_poll(disk, nullptr), 0);
    }
  }

  TempFolder folder_;
  std::string path_ = folder_.file("disk.vhd");
};

TEST_F(CapiAsync, ABatchOfEachOperationEndsOnceInPoll) {
  CapiDisk disk(path_);
  Request write(VIRIDIAN_VHD_OP_WRITE, 0, 8192, 9);
  Request read(VIRIDIAN_VHD_OP_READ, 5 * kMiB, 4096, 'x');  // never written
  ASSERT_EQ(submit(disk, {&write, &read}), 2);
  EXPECT_EQ(write.ends + read.ends, 0);
  poll_until(disk, [&] { return write.ends + read.ends == 2; });
  EXPECT_EQ(write.result, 0);
  EXPECT_EQ(read.bytes, std::vector<char>(4096, 0));

  Request flush(VIRIDIAN_VHD_OP_FLUSH, 0, 0);
  Request zero(VIRIDIAN_VHD_OP_WRITE_ZEROES, 0, 0);
  zero.length = 4096;
  Request discard(VIRIDIAN_VHD_OP_DISCARD, 4 * kMiB, 0);
  discard.length = 2 * kMiB;
  Request again(VIRIDIAN_VHD_OP_READ, 4096, 4096);
  ASSERT_EQ(submit(disk, {&flush, &zero, &discard, &again}), 4);
  poll_until(disk, [&] { return flush.ends + zero.ends + discard.ends + again.ends == 4; });
  EXPECT_EQ(flush.result + zero.result + discard.result + again.result, 0);
  EXPECT_EQ(again.bytes, std::vector<char>(4096, 9));
  EXPECT_EQ(disk.fill_of(0, 4096), 0);
}

TEST_F(CapiAsync, ManyRequestsThroughAShortQueueAllEndAndTheFullQueueSaysSo) {
  viridian_vhd_open_options options = open_options();
  options.queue_depth = 4;
  CapiDisk disk(path_, options);
  std::deque<Request> requests;
  for (int i = 0; i < 500; ++i)
    requests.emplace_back(VIRIDIAN_VHD_OP_WRITE, static_cast<uint64_t>(i) * 4096, 4096, i);
  std::vector<viridian_vhd_request*> list;
  for (Request& request : requests)
    list.push_back(&request);
  size_t next = 0;
  size_t ended = 0;
  for (Request& request : requests)
    request.then = [&] { ++ended; };
  EXPECT_EQ(viridian_vhd_submit(disk, list.data(), 500, nullptr), 4);
  EXPECT_EQ(submit(disk, {list[4]}), -EAGAIN);
  next = 4;
  while (next < list.size()) {
    const size_t before = ended;
    poll_until(disk, [&] { return ended > before; });
    const int taken = viridian_vhd_submit(disk, list.data() + next,
                                          static_cast<int>(list.size() - next), nullptr);
    ASSERT_GT(taken, 0);
    next += static_cast<size_t>(taken);
  }
  poll_until(disk, [&] { return ended == list.size(); });
  for (const Request& request : requests)
    EXPECT_EQ(request.ends == 1 && request.result == 0, true);
  EXPECT_EQ(disk.fill_of(499 * 4096, 4096), static_cast<char>(499));
}

TEST_F(CapiAsync, FailuresAreExplainedAsThoseOfSynchronousCallsAre) {
  CapiDisk disk(path_);
  Request beyond(VIRIDIAN_VHD_OP_READ, 10 * kMiB - 512, 4096);
  Request good(VIRIDIAN_VHD_OP_READ, 0, 4096);
  viridian_vhd_error told = {};
  int explained = -1;
  beyond.then = [&] { explained = viridian_vhd_explain(disk, &beyond, beyond.result, &told); };
  ASSERT_EQ(submit(disk, {&beyond, &good}), 2);
  poll_until(disk, [&] { return beyond.ends + good.ends == 2; });
  EXPECT_EQ(beyond.result, -ERANGE);
  EXPECT_EQ(explained, 0);
  viridian_vhd_error synchronous = {};
  EXPECT_EQ(viridian_vhd_readv(disk, &beyond.part, 1, beyond.offset, &synchronous), -ERANGE);
  EXPECT_EQ(told.code, ERANGE);
  EXPECT_STREQ(told.message, synchronous.message);
  EXPECT_NE(std::string(told.message).find(path_ + ": offset 10485248"), std::string::npos)
      << told.message;
  EXPECT_EQ(viridian_vhd_explain(disk, &good, good.result, &told), 0);
  EXPECT_EQ(told.code, 0);
  EXPECT_STREQ(told.message, "");
  EXPECT_EQ(viridian_vhd_explain(disk, &good, -EIO, nullptr), 0);
  EXPECT_EQ(viridian_vhd_explain(disk, nullptr, -EIO, &told), -EINVAL);
  EXPECT_EQ(viridian_vhd_explain(disk, &good, -4000, &told), 0);
  EXPECT_NE(std::string(told.message).find("unknown"), std::string::npos) << told.message;
}

TEST_F(CapiAsync, DoneMaySubmitAgainAndUseSynchronousCalls) {
  CapiDisk disk(path_);
  Request write(VIRIDIAN_VHD_OP_WRITE, 0, 4096, 1);
  int fill = -1;
  write.then = [&] {
    if (write.ends < 10) {
      write.offset += 4096;
      EXPECT_EQ(submit(disk, {&write}), 1);
    } else {
      fill = disk.fill_of(0, 10 * 4096);
    }
  };
  ASSERT_EQ(submit(disk, {&write}), 1);
  poll_until(disk, [&] { return write.ends == 10 && fill >= 0; });
  EXPECT_EQ(fill, 1);
}

TEST_F(CapiAsync, SynchronousCallsCallNoDoneAndLeaveTheDescriptorReadable) {
  CapiDisk disk(path_);
  const int fd = viridian_vhd_fd(disk, nullptr);
  ASSERT_EQ(viridian_vhd_poll(disk, nullptr), 0);
  Request write(VIRIDIAN_VHD_OP_WRITE, 0, 4096, 1);
  ASSERT_EQ(submit(disk, {&write}), 1);
  for (int i = 0; i < 20; ++i)
    ASSERT_EQ(viridian_vhd_flush(disk, nullptr), 0);
  EXPECT_EQ(write.ends, 0);
  pollfd one = {fd, POLLIN, 0};
  EXPECT_EQ(::poll(&one, 1, 10000), 1);
  poll_until(disk, [&] { return write.ends == 1; });
}

TEST_F(CapiAsync, CloseEndsWhatIsInProgressAndRefusesMore) {
  std::deque<Request> requests;
  for (int i = 0; i < 100; ++i)
    requests.emplace_back(VIRIDIAN_VHD_OP_WRITE, static_cast<uint64_t>(i) * 65536, 4096, 3);
  {
    CapiDisk disk(path_);
    viridian_vhd* handle = disk;
    requests[0].then = [&, handle] {
      Request more(VIRIDIAN_VHD_OP_READ, 0, 512);
      EXPECT_EQ(submit(handle, {&more}), -ESHUTDOWN);
    };
    for (Request& request : requests)
      ASSERT_EQ(submit(disk, {&request}), 1);
    EXPECT_EQ(disk.close(), 0);
  }
  for (const Request& request : requests)
    EXPECT_EQ(request.ends, 1);
  EXPECT_EQ(CapiDisk(path_).fill_of(99 * 65536, 4096), 3);
}

TEST_F(CapiAsync, PollAndCloseInsideDoneAreRefused) {
  CapiDisk disk(path_);
  Request read(VIRIDIAN_VHD_OP_READ, 0, 512);
  int polled = 0;
  int closed = 0;
  read.then = [&] {
    polled = viridian_vhd_poll(disk, nullptr);
    closed = viridian_vhd_close(disk, nullptr);
  };
  ASSERT_EQ(submit(disk, {&read}), 1);
  poll_until(disk, [&] { return read.ends == 1; });
  EXPECT_EQ(polled, -EBUSY);
  EXPECT_EQ(closed, -EBUSY);
}

TEST_F(CapiAsync, AnExceptionOfDoneBecomesAnErrorAndLosesNoOtherRequest) {
  CapiDisk disk(path_);
  std::deque<Request> requests;
  for (int i = 0; i < 3; ++i)
    requests.emplace_back(VIRIDIAN_VHD_OP_READ, 0, 512);
  size_t thrown = 0;
  for (Request& request : requests) {
    request.then = [&] {
      if (++thrown == 1) throw std::runtime_error("of the caller's");
    };
    ASSERT_EQ(submit(disk, {&request}), 1);
  }
  viridian_vhd_error error = {};
  const int fd = viridian_vhd_fd(disk, nullptr);
  while (thrown < 3) {
    pollfd one = {fd, POLLIN, 0};
    ASSERT_EQ(::poll(&one, 1, 10000), 1);
    viridian_vhd_error now;
    if (viridian_vhd_poll(disk, &now) < 0) error = now;
  }
  EXPECT_EQ(error.code, EIO);
  EXPECT_STREQ(error.message, "of the caller's");
}

TEST_F(CapiAsync, SnapshotWaitsForWhatIsInProgressAndPollTellsIt) {
  CapiDisk disk(path_);
  Request write(VIRIDIAN_VHD_OP_WRITE, 0, 4096, 1);
  ASSERT_EQ(submit(disk, {&write}), 1);
  ASSERT_EQ(viridian_vhd_snapshot(disk, folder_.file("child.vhd").c_str(), nullptr), 0);
  EXPECT_EQ(write.ends, 0);
  Request over(VIRIDIAN_VHD_OP_WRITE, 0, 512, 2);
  ASSERT_EQ(submit(disk, {&over}), 1);
  poll_until(disk, [&] { return write.ends == 1 && over.ends == 1; });
  EXPECT_EQ(CapiDisk(path_, open_options(VIRIDIAN_VHD_READ_ONLY)).fill_of(0, 4096), 1);
  EXPECT_EQ(disk.fill_of(0, 512), 2);
}

TEST_F(CapiAsync, HandleWandersBetweenThreads) {
  CapiDisk disk(path_);
  Request write(VIRIDIAN_VHD_OP_WRITE, 0, 4096, 1);
  ASSERT_EQ(submit(disk, {&write}), 1);
  std::thread([&] { poll_until(disk, [&] { return write.ends == 1; }); }).join();
  int fill = 0;
  std::thread([&] { fill = disk.fill_of(0, 4096); }).join();
  EXPECT_EQ(fill, 1);
}

TEST_F(CapiAsync, HandleOfOneThreadRefusesOthersInsteadOfWaitingForEver) {
  CapiDisk disk(path_, open_options(VIRIDIAN_VHD_ONE_THREAD));
  ASSERT_EQ(disk.write(0, 512, 1), 0);
  std::thread([&] {
    EXPECT_EQ(disk.fill_of(0, 512), -EPERM);
    EXPECT_EQ(viridian_vhd_close(disk, nullptr), -EPERM);
  }).join();
  Request read(VIRIDIAN_VHD_OP_READ, 0, 512);
  ASSERT_EQ(submit(disk, {&read}), 1);
  poll_until(disk, [&] { return read.ends == 1; });
  EXPECT_EQ(read.bytes, std::vector<char>(512, 1));
}

TEST_F(CapiAsync, HandlesOfSeveralThreadsDoNotMeet) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([this, i] {
      const std::string path = folder_.file(std::to_string(i) + ".vhd");
      ASSERT_EQ(make_image(path, VIRIDIAN_VHD_DYNAMIC, 10 * kMiB), 0);
      CapiDisk disk(path);
      for (int at = 0; at < 50; ++at) {
        ASSERT_EQ(disk.write(static_cast<uint64_t>(at) * 4096, 4096, i + 1), 0);
      }
      EXPECT_EQ(disk.fill_of(0, 50 * 4096), i + 1);
    });
  }
  for (std::thread& thread : threads)
    thread.join();
}

}  // namespace
}  // namespace viridian::vhd
