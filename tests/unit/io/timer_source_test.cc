#include "io/timer_source.h"

#include <gtest/gtest.h>

namespace viridian::io {
namespace {

using std::chrono::nanoseconds;

class TimerSourceTest : public testing::Test {
 protected:
  TimerSourceTest() {
    reactor_ = std::move(*Reactor::create());
    timer_ = std::move(*TimerSource::create(
        *reactor_, [](void* context) noexcept { ++*static_cast<int*>(context); }, &expiries_));
    timer_->start();
  }
  ~TimerSourceTest() override {
    timer_->stop();
    reactor_->run_until([&] { return timer_->stopped(); });
  }
  std::unique_ptr<Reactor> reactor_;
  std::unique_ptr<TimerSource> timer_;
  int expiries_ = 0;
};

TEST_F(TimerSourceTest, ExpiresOnceEachTimeItIsSet) {
  for (int i = 1; i <= 3; ++i) {
    timer_->set(nanoseconds(1000));
    reactor_->run_until([&] { return expiries_ == i; });
    EXPECT_EQ(timer_->remaining(), nanoseconds(0));
  }
}

TEST_F(TimerSourceTest, WithAnIntervalItGoesOn) {
  timer_->set(nanoseconds(1000), nanoseconds(1000));
  reactor_->run_until([&] { return expiries_ == 3; });
  EXPECT_GT(timer_->remaining() + nanoseconds(1), nanoseconds(0));
}

TEST_F(TimerSourceTest, RemainingTimeIsThatOfTheNextExpiryUntilItIsSwitchedOff) {
  timer_->set(std::chrono::hours(1));
  EXPECT_GT(timer_->remaining(), std::chrono::minutes(59));
  EXPECT_LE(timer_->remaining(), std::chrono::hours(1));
  timer_->set(nanoseconds(0));
  EXPECT_EQ(timer_->remaining(), nanoseconds(0));
}

TEST_F(TimerSourceTest, NothingArrivesAfterStop) {
  reactor_->turn(false);
  timer_->set(nanoseconds(1));
  timer_->stop();
  reactor_->run_until([&] { return timer_->stopped(); });
  EXPECT_EQ(expiries_, 0);
}

}  // namespace
}  // namespace viridian::io
