// The hand-over of a device between two threads, with nothing of rte_vhost: the test is its thread.
#include "vswitch/vhost_link.h"

#include <gtest/gtest.h>
#include <sys/eventfd.h>

#include <atomic>
#include <thread>

#include "io/reactor_thread.h"
#include "vswitch/kick_source.h"

namespace viridian::vswitch {
namespace {

class VhostLinkTest : public testing::Test {
 protected:
  void start() {
    worker_->call([this] {
      link_.start(
          worker_->reactor(),
          [](void* self) noexcept { static_cast<VhostLinkTest*>(self)->look(); }, this);
    });
  }
  void TearDown() override {
    worker_->call([this] { link_.stop(); });
  }
  void look() noexcept {
    const auto device = link_.take();
    seen_.store(device ? device->id : -1);
  }
  void wait_for(int id) {
    while (seen_.load() != id)
      std::this_thread::yield();
  }
  static VhostDevice device(int id) {
    VhostDevice made;
    made.id = id;
    return made;
  }

  std::unique_ptr<io::ReactorThread> worker_ = std::move(*io::ReactorThread::start("link-test"));
  VhostLink link_;
  std::atomic<int> seen_{-1};
};

TEST_F(VhostLinkTest, DeviceThatWasThereBeforeTheWorkerIsTaken) {
  EXPECT_TRUE(link_.give(device(3)));
  start();
  wait_for(3);
}

TEST_F(VhostLinkTest, TakingBackWaitsForTheWorker) {
  start();
  for (int i = 0; i < 1000; ++i) {
    EXPECT_TRUE(link_.give(device(i)));
    if (i % 3 != 0) wait_for(i);
    link_.take_back(i);
    EXPECT_FALSE(link_.has(i));
    worker_->call([&] { EXPECT_NE(seen_.load(), i); });
  }
}

TEST_F(VhostLinkTest, OneDeviceAtATime) {
  start();
  EXPECT_TRUE(link_.give(device(1)));
  EXPECT_FALSE(link_.give(device(2)));
  link_.take_back(2);
  EXPECT_TRUE(link_.has(1));
  link_.take_back(1);
  EXPECT_TRUE(link_.give(device(2)));
  wait_for(2);
}

TEST_F(VhostLinkTest, TakingBackDoesNotWaitForAWorkerThatLeft) {
  start();
  EXPECT_TRUE(link_.give(device(1)));
  wait_for(1);
  worker_->call([this] { link_.stop(); });
  link_.take_back(1);
  EXPECT_FALSE(link_.has(1));
}

TEST_F(VhostLinkTest, WorkerKeepsOutWhileAMessageIsHandled) {
  start();
  EXPECT_TRUE(link_.give(device(1)));
  wait_for(1);
  EXPECT_TRUE(link_.pause(1, VhostLink::Worker::kIsOut));
  worker_->call([this] { EXPECT_FALSE(link_.enter()); });
  link_.resume(1);
  worker_->call([this] {
    EXPECT_TRUE(link_.enter());
    link_.leave();
  });
}

TEST_F(VhostLinkTest, WorkerKeepsOutAfterAMessageThatFailed) {
  start();
  EXPECT_TRUE(link_.give(device(1)));
  wait_for(1);
  EXPECT_TRUE(link_.pause(1, VhostLink::Worker::kIsOut));
  for (const auto worker :
       {VhostLink::Worker::kMayBeIn, VhostLink::Worker::kIsOut}) {  // the next ones may be well
    EXPECT_TRUE(link_.pause(1, worker));
    link_.resume(1);
    worker_->call([this] { EXPECT_FALSE(link_.enter()); });
  }
  link_.take_back(1);
  EXPECT_TRUE(link_.give(device(1)));
  worker_->call([this] {
    EXPECT_TRUE(link_.enter());
    link_.leave();
  });
}

TEST_F(VhostLinkTest, WorkerThatDoesNotComeOutIsSaid) {
  start();
  EXPECT_TRUE(link_.give(device(1)));
  wait_for(1);
  EXPECT_TRUE(link_.enter());  // as if this was the worker
  EXPECT_FALSE(link_.pause(1, VhostLink::Worker::kIsOut));
  link_.leave();
}

// It waits for a lock that the caller of pause() has.
TEST_F(VhostLinkTest, WorkerThatIsOnItsWayIsNotWaitedFor) {
  start();
  EXPECT_TRUE(link_.give(device(1)));
  wait_for(1);
  EXPECT_TRUE(link_.enter());  // as if this was the worker
  EXPECT_TRUE(link_.pause(1, VhostLink::Worker::kStaysOut));
  link_.leave();
  EXPECT_FALSE(link_.enter());
  link_.resume(1);
  EXPECT_TRUE(link_.enter());
  link_.leave();
}

class KickSourceTest : public testing::Test {
 protected:
  void TearDown() override { source_.close(); }
  static UniqueFd bell() { return UniqueFd(::eventfd(0, EFD_CLOEXEC)); }
  static UniqueFd same(const UniqueFd& fd) { return UniqueFd(::dup(fd.get())); }

  std::unique_ptr<io::Reactor> reactor_ = std::move(*io::Reactor::create());
  int rings_ = 0;
  KickSource source_{*reactor_, [](void* self) noexcept { ++*static_cast<int*>(self); }, &rings_};
};

TEST_F(KickSourceTest, RingsOnceForEachTimeItIsAsked) {
  const UniqueFd first = bell();
  source_.set(same(first));
  ::eventfd_write(first.get(), 5);
  for (int i = 1; i <= 3; ++i) {
    source_.arm();
    source_.arm();
    reactor_->run_until([&] { return rings_ == i; });
    ::eventfd_write(first.get(), 1);
    for (int j = 0; j < 5; ++j)
      reactor_->turn(false);
    EXPECT_EQ(rings_, i);
  }
}

TEST_F(KickSourceTest, BellThatIsExchangedIsNotHeardAndItsSuccessorIs) {
  const UniqueFd first = bell();
  const UniqueFd second = bell();
  const UniqueFd third = bell();
  source_.set(same(first));
  source_.arm();
  reactor_->turn(false);
  source_.set(same(second));
  source_.set(same(third));  // before the kernel let go of the first
  source_.arm();
  ::eventfd_write(first.get(), 1);
  ::eventfd_write(second.get(), 1);
  for (int j = 0; j < 20; ++j)
    reactor_->turn(false);
  EXPECT_EQ(rings_, 0);
  ::eventfd_write(third.get(), 1);
  reactor_->run_until([&] { return rings_ == 1; });
}

TEST_F(KickSourceTest, WithoutABellNothingIsUnderWay) {
  source_.arm();
  reactor_->turn(false);
  EXPECT_EQ(reactor_->in_flight(), 0U);
  const UniqueFd first = bell();
  source_.set(same(first));
  source_.arm();
  reactor_->turn(false);
  EXPECT_EQ(reactor_->in_flight(), 1U);
  source_.close();
  EXPECT_EQ(reactor_->in_flight(), 0U);
}

TEST_F(KickSourceTest, FileThatIsAlwaysReadableDoesNotBlock) {
  int pipe[2];
  ASSERT_EQ(::pipe(pipe), 0);
  const UniqueFd out(pipe[1]);
  source_.set(UniqueFd(pipe[0]));
  ASSERT_EQ(::write(out.get(), "x", 1), 1);
  source_.arm();
  reactor_->run_until([&] { return rings_ == 1; });
}

}  // namespace
}  // namespace viridian::vswitch
