#include "io/poll_source.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>

namespace viridian::io {
namespace {

class PollSourceTest : public testing::Test {
 protected:
  PollSourceTest() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe(ends.data()), 0);
    read_ = UniqueFd(ends[0]);
    write_ = UniqueFd(ends[1]);
  }
  void settle() {
    for (int i = 0; i < 10; ++i)
      reactor_->turn(false);
  }
  void write() { ASSERT_EQ(::write(write_.get(), "x", 1), 1); }
  static void count(void* context) noexcept { ++*static_cast<int*>(context); }

  std::unique_ptr<Reactor> reactor_ = std::move(*Reactor::create());
  UniqueFd read_;
  UniqueFd write_;
  int ready_ = 0;
};

TEST_F(PollSourceTest, TellsOnceForEachTimeThatItIsAsked) {
  PollSource source(*reactor_, read_.get(), count, &ready_);
  write();
  settle();
  EXPECT_EQ(ready_, 0) << "nobody asked";
  source.arm();
  settle();
  EXPECT_EQ(ready_, 1);
  write();
  settle();
  EXPECT_EQ(ready_, 1);
  source.arm();
  settle();
  EXPECT_EQ(ready_, 2);
}

TEST_F(PollSourceTest, AskedTwiceItTellsOnce) {
  PollSource source(*reactor_, read_.get(), count, &ready_);
  source.arm();
  source.arm();
  settle();
  EXPECT_EQ(ready_, 0);
  write();
  settle();
  EXPECT_EQ(ready_, 1);
}

TEST_F(PollSourceTest, DestroyedWhileItWaitsItNeverTells) {
  {
    PollSource source(*reactor_, read_.get(), count, &ready_);
    source.arm();
    settle();
  }
  EXPECT_EQ(reactor_->in_flight(), 0U);
  write();
  settle();
  EXPECT_EQ(ready_, 0);
}

}  // namespace
}  // namespace viridian::io
