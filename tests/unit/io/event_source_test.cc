#include "io/event_source.h"

#include <gtest/gtest.h>

namespace viridian::io {
namespace {

void ring(const EventSource& source) {
  const uint64_t one = 1;
  ASSERT_EQ(::write(source.fd(), &one, sizeof(one)), 8);
}

class EventSourceTest : public testing::Test {
 protected:
  void SetUp() override {
    reactor_ = std::move(*Reactor::create());
    source_ = std::move(*EventSource::create(
        *reactor_, [](void* context) noexcept { ++*static_cast<int*>(context); }, &rings_));
  }
  std::unique_ptr<Reactor> reactor_;
  std::unique_ptr<EventSource> source_;
  int rings_ = 0;
};

TEST_F(EventSourceTest, EachRingArrivesAlsoAfterTheFirst) {
  source_->start();
  for (int i = 1; i <= 3; ++i) {
    ring(*source_);
    reactor_->run_until([&] { return rings_ == i; });
  }
  source_->stop();
  reactor_->run_until([&] { return source_->stopped(); });
}

TEST_F(EventSourceTest, RingBeforeStartIsNotLost) {
  ring(*source_);
  source_->start();
  reactor_->run_until([&] { return rings_ == 1; });
  source_->stop();
  reactor_->run_until([&] { return source_->stopped(); });
}

TEST_F(EventSourceTest, NoRingArrivesAfterStop) {
  source_->start();
  reactor_->turn(false);
  ring(*source_);
  source_->stop();
  reactor_->run_until([&] { return source_->stopped(); });
  EXPECT_EQ(rings_, 0);
}

}  // namespace
}  // namespace viridian::io
