#include "io/reactor_thread.h"

#include <gtest/gtest.h>

namespace viridian::io {
namespace {

struct Mark : Completion {
  std::thread::id where;
  std::atomic<bool> ran{false};
  Mark() {
    run = [](Completion& self) noexcept {
      auto& mark = static_cast<Mark&>(self);
      mark.where = std::this_thread::get_id();
      mark.ran.store(true);
      mark.ran.notify_all();
    };
  }
};

TEST(ReactorThread, TasksAndCompletionsRunOnOneThread) {
  auto thread = ReactorThread::start("test");
  ASSERT_TRUE(thread) << thread.error().message;
  std::thread::id of_task;
  (*thread)->call([&] { of_task = std::this_thread::get_id(); });
  EXPECT_NE(of_task, std::this_thread::get_id());
  Mark mark;
  (*thread)->reactor().post(mark);
  mark.ran.wait(false);
  EXPECT_EQ(mark.where, of_task);
}

TEST(ReactorThread, TaskMayTurnTheReactorItself) {
  auto thread = ReactorThread::start("test");
  ASSERT_TRUE(thread);
  Mark mark;
  (*thread)->call([&] {
    Reactor& reactor = (*thread)->reactor();
    reactor.defer(mark);
    reactor.run_until([&] { return mark.ran.load(); });
  });
  EXPECT_TRUE(mark.ran);
}

TEST(ReactorThread, ManyTasksFromSeveralThreadsAllRun) {
  auto thread = ReactorThread::start("test");
  ASSERT_TRUE(thread);
  constexpr int kCallers = 4, kCalls = 200;
  int count = 0;  // only the storage thread changes it
  std::vector<std::thread> callers;
  for (int i = 0; i < kCallers; ++i) {
    callers.emplace_back([&] {
      for (int call = 0; call < kCalls; ++call)
        (*thread)->call([&] { ++count; });
    });
  }
  for (auto& caller : callers)
    caller.join();
  EXPECT_EQ(count, kCallers * kCalls);
}

}  // namespace
}  // namespace viridian::io
