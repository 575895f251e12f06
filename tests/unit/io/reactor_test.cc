#include "io/reactor.h"

#include <gtest/gtest.h>

#include <sys/eventfd.h>

#include <thread>
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

}  // namespace
}  // namespace viridian::io
