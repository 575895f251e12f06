#include "io/reactor.h"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <functional>
#include <thread>
#include <utility>
#include <vector>

namespace viridian::io {
namespace {

struct Step : Completion {
  explicit Step(std::vector<int>& trace_in, int id_in) : trace(trace_in), id(id_in) {
    run = [](Completion& completion) noexcept {
      auto& self = static_cast<Step&>(completion);
      self.trace.push_back(self.id);
      if (self.then != nullptr) self.reactor->defer(*self.then);
    };
  }
  std::vector<int>& trace;
  int id;
  Reactor* reactor = nullptr;
  Completion* then = nullptr;
};

std::unique_ptr<Reactor> make_reactor(unsigned entries = 256) {
  auto reactor = Reactor::create(entries);
  EXPECT_TRUE(reactor.has_value()) << reactor.error().message;
  return std::move(*reactor);
}

TEST(Reactor, DeferredCompletionRunsAfterTheCurrentOnesAndNotInsideThem) {
  auto reactor = make_reactor();
  std::vector<int> trace;
  Step first(trace, 1), second(trace, 2), third(trace, 3);
  first.reactor = reactor.get();
  first.then = &third;
  reactor->defer(first);
  reactor->defer(second);
  EXPECT_TRUE(trace.empty());
  reactor->run_until([&] { return trace.size() == 3; });
  EXPECT_EQ(trace, (std::vector<int>{1, 2, 3}));
}

TEST(Reactor, KernelResultReachesTheCompletion) {
  auto reactor = make_reactor();
  std::vector<int> trace;
  Step step(trace, 1);
  char byte;
  reactor->start(step, [&](io_uring_sqe* sqe) { io_uring_prep_read(sqe, -1, &byte, 1, 0); });
  EXPECT_EQ(reactor->in_flight(), 1u);
  reactor->run_until([&] { return !trace.empty(); });
  EXPECT_EQ(step.result, -EBADF);
  EXPECT_EQ(reactor->in_flight(), 0u);
}

TEST(Reactor, MoreOperationsThanTheQueueHoldsAllComplete) {
  auto reactor = make_reactor(4);
  std::vector<int> trace;
  std::vector<std::unique_ptr<Step>> steps;
  for (int i = 0; i < 1000; ++i) {
    steps.push_back(std::make_unique<Step>(trace, i));
    reactor->start(*steps.back(), [](io_uring_sqe* sqe) { io_uring_prep_nop(sqe); });
  }
  EXPECT_TRUE(trace.empty());
  reactor->run_until([&] { return trace.size() == 1000; });
}

TEST(Reactor, WhatTheKernelEndedRunsBehindWhatWasReadyAndBeforeWhatThatDefers) {
  auto reactor = make_reactor();
  std::vector<int> trace;
  Step first(trace, 1), second(trace, 2), third(trace, 3);
  first.reactor = reactor.get();
  first.then = &third;
  reactor->start(second, [](io_uring_sqe* sqe) { io_uring_prep_nop(sqe); });
  reactor->defer(first);
  reactor->run_until([&] { return trace.size() == 3; });
  EXPECT_EQ(trace, (std::vector<int>{1, 2, 3}));
}

TEST(Reactor, CallbacksThatFillTheQueueLoseNothingAndAreNotEnteredAgain) {
  struct Starter : Completion {
    Reactor* reactor = nullptr;
    std::vector<std::unique_ptr<Step>> steps;
    bool* is_inside = nullptr;
  };
  auto reactor = make_reactor(4);
  std::vector<int> trace;
  bool is_inside = false;
  std::vector<Starter> starters(8);
  for (Starter& starter : starters) {
    starter.reactor = reactor.get();
    starter.is_inside = &is_inside;
    for (int i = 0; i < 16; ++i)
      starter.steps.push_back(std::make_unique<Step>(trace, i));
    starter.run = [](Completion& completion) noexcept {
      auto& self = static_cast<Starter&>(completion);
      EXPECT_FALSE(std::exchange(*self.is_inside, true));
      for (const auto& step : self.steps)
        self.reactor->start(*step, [](io_uring_sqe* sqe) { io_uring_prep_nop(sqe); });
      *self.is_inside = false;
    };
    reactor->start(starter, [](io_uring_sqe* sqe) { io_uring_prep_nop(sqe); });
  }
  reactor->run_until([&] { return trace.size() == 8 * 16; });
  EXPECT_EQ(reactor->in_flight(), 0u);
  reactor->turn(false);
  EXPECT_EQ(trace.size(), 8u * 16);
}

TEST(Reactor, PostsOfAnotherThreadWakeASleeperAndStayInOrder) {
  auto reactor = make_reactor();
  std::vector<int> trace;
  std::vector<std::unique_ptr<Step>> steps;
  for (int i = 0; i < 100; ++i)
    steps.push_back(std::make_unique<Step>(trace, i));
  std::jthread poster([&] {
    for (auto& step : steps) {
      reactor->post(*step);
      std::this_thread::yield();
    }
  });
  reactor->run_until([&] { return trace.size() == 100; });
  for (int i = 0; i < 100; ++i)
    EXPECT_EQ(trace[static_cast<size_t>(i)], i);
}

TEST(Reactor, StopRequestEndsASleepingRun) {
  auto reactor = make_reactor();
  std::jthread thread([&](const std::stop_token& stop) { reactor->run(stop); });
  thread.request_stop();
  thread.join();
}

TEST(Reactor, PollerKeepsTheReactorAwakeUntilItFindsNothing) {
  struct Countdown : Poller {
    bool poll() noexcept override { return left > 0 && left-- > 0; }
    int left = 10;
  } poller;
  auto reactor = make_reactor();
  reactor->attach(poller);
  reactor->run_until([&] { return poller.left == 0; });
  reactor->detach(poller);
  EXPECT_EQ(poller.left, 0);
}

bool is_readable(int fd) {
  pollfd one = {fd, POLLIN, 0};
  return ::poll(&one, 1, 0) == 1;
}

// Waits in poll() and drives, as a loop of the caller's own does.
void drive_until(Reactor& reactor, int fd, const std::function<bool()>& done) {
  while (!done()) {
    pollfd one = {fd, POLLIN, 0};
    if (::poll(&one, 1, 10000) == 0) FAIL() << "nothing arrived within ten seconds";
    reactor.drive();
  }
}

TEST(Reactor, EventFdIsReadableWhenAKernelOperationEndsAndNotBefore) {
  for (const Turned turned : {Turned::kByOneThread, Turned::kByAnyThread}) {
    auto reactor = Reactor::create(256, turned).value();
    const int fd = reactor->event_fd().value();
    EXPECT_EQ(reactor->event_fd().value(), fd);
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    const UniqueFd reader(ends[0]), writer(ends[1]);
    std::vector<int> trace;
    Step step(trace, 1);
    char byte = 0;
    reactor->start(step,
                   [&](io_uring_sqe* sqe) { io_uring_prep_read(sqe, reader.get(), &byte, 1, 0); });
    reactor->drive();
    EXPECT_FALSE(is_readable(fd));
    EXPECT_EQ(::write(writer.get(), "x", 1), 1);
    drive_until(*reactor, fd, [&] { return !trace.empty(); });
    EXPECT_EQ(byte, 'x');
    reactor->drive();
    EXPECT_FALSE(is_readable(fd));
  }
}

TEST(Reactor, EventFdIsReadableForWhatWasStartedBeforeItWasAskedFor) {
  auto reactor = make_reactor();
  std::vector<int> trace;
  Step step(trace, 1);
  reactor->start(step, [](io_uring_sqe* sqe) { io_uring_prep_nop(sqe); });
  const int fd = reactor->event_fd().value();
  EXPECT_TRUE(is_readable(fd));
  drive_until(*reactor, fd, [&] { return !trace.empty(); });
}

TEST(Reactor, EventFdIsReadableForWhatCallbacksStartedWhileSubmitting) {
  auto reactor = make_reactor();
  const int fd = reactor->event_fd().value();
  reactor->drive();
  EXPECT_FALSE(is_readable(fd));
  std::vector<int> trace;
  Step step(trace, 1);
  struct Starter : Completion {
    Reactor* reactor = nullptr;
    Step* step = nullptr;
  } starter;
  starter.reactor = reactor.get();
  starter.step = &step;
  starter.run = [](Completion& self) noexcept {
    auto& at = static_cast<Starter&>(self);
    at.reactor->start(*at.step, [](io_uring_sqe* sqe) { io_uring_prep_nop(sqe); });
  };
  reactor->defer(starter);
  reactor->submit_started();
  EXPECT_TRUE(trace.empty());
  EXPECT_TRUE(is_readable(fd));
  drive_until(*reactor, fd, [&] { return !trace.empty(); });
}

TEST(Reactor, EventFdIsReadableAfterAPostOfAnotherThread) {
  auto reactor = make_reactor();
  const int fd = reactor->event_fd().value();
  std::vector<int> trace;
  std::vector<std::unique_ptr<Step>> steps;
  for (int i = 0; i < 100; ++i)
    steps.push_back(std::make_unique<Step>(trace, i));
  std::jthread poster([&] {
    for (auto& step : steps) {
      reactor->post(*step);
      std::this_thread::yield();
    }
  });
  drive_until(*reactor, fd, [&] { return trace.size() == 100; });
  EXPECT_EQ(trace.back(), 99);
}

TEST(Reactor, DriveReturnsThoughWorkNeverEndsAndLeavesTheEventFdReadable) {
  auto reactor = make_reactor();
  const int fd = reactor->event_fd().value();
  struct Endless : Completion {
    Reactor* reactor = nullptr;
    bool stop = false;
  } endless;
  endless.reactor = reactor.get();
  endless.run = [](Completion& completion) noexcept {
    auto& self = static_cast<Endless&>(completion);
    if (!self.stop) self.reactor->defer(self);
  };
  reactor->defer(endless);
  reactor->drive();
  EXPECT_TRUE(is_readable(fd));
  endless.stop = true;
  reactor->drive();
  EXPECT_FALSE(is_readable(fd));
}

TEST(Reactor, OneForAnyThreadIsTurnedByTwoThreadsInTurn) {
  auto reactor = Reactor::create(256, Turned::kByAnyThread).value();
  std::vector<int> trace;
  Step first(trace, 1), second(trace, 2), third(trace, 3);
  const auto nop = [](io_uring_sqe* sqe) { io_uring_prep_nop(sqe); };
  reactor->start(first, nop);
  reactor->run_until([&] { return trace.size() == 1; });
  std::thread other([&] {
    reactor->start(second, nop);
    reactor->run_until([&] { return trace.size() == 2; });
  });
  other.join();
  // The thread that submitted the reactor's own wake-up is gone; posts arrive all the same.
  std::thread poster([&] { reactor->post(third); });
  reactor->run_until([&] { return trace.size() == 3; });
  poster.join();
}

}  // namespace
}  // namespace viridian::io
