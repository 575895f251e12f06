// A switch on a reactor's thread of its own: ports come and go by messages while frames flow, and
// another thread reads the counters.
#include <atomic>
#include <thread>

#include "tests/unit/vswitch/switch_fixture.h"

namespace viridian::vswitch {
namespace {

constexpr uint64_t kVisits = 100;
constexpr uint64_t kFramesEach = 200;

// Brings broadcasts, a few in each burst, as long as there are some left.
class Talker : public SwitchPort {
 public:
  Talker(rte_mempool* pool, std::atomic<uint64_t>& left) : pool_(pool), left_(left) {}

  PortFeatures features() const noexcept override { return {}; }
  uint16_t receive(std::span<rte_mbuf*> frames) noexcept override {
    uint16_t count = 0;
    for (; count < 4 && left_.load() > 0; ++count) {
      frames[count] = fakes::to_mbuf(fakes::ethernet(kBroadcast, station(1)), pool_);
      if (frames[count] == nullptr) break;
      left_.fetch_sub(1);
    }
    return count;
  }
  uint16_t transmit(std::span<rte_mbuf* const> frames) noexcept override {
    return static_cast<uint16_t>(frames.size());
  }
  bool arm() noexcept override { return left_.load() == 0; }
  void disarm() noexcept override {}

 private:
  rte_mempool* pool_;
  std::atomic<uint64_t>& left_;
};

// Runs `work` on the reactor's thread and waits until it has run.
template <class Work>
void on(io::Reactor& reactor, Work work) {
  struct Message : io::Completion {
    explicit Message(Work& wanted) : work(&wanted) {
      run = [](Completion& self) noexcept {
        auto& message = static_cast<Message&>(self);
        (*message.work)();
        message.done.test_and_set();
        message.done.notify_one();
      };
    }
    Work* work;
    std::atomic_flag done;
  };
  Message message(work);
  reactor.post(message);
  message.done.wait(false);
}

TEST(Worker, PortsComeAndGoAndNobodyElseLosesAFrame) {
  rte_mempool* pool = test_pool();
  auto reactor = io::Reactor::create();
  ASSERT_TRUE(reactor) << reactor.error().message;
  VirtualSwitch bridge({}, pool);
  std::atomic<uint64_t> left{0};
  std::atomic<uint64_t> nothing{0};
  Talker talker(pool, left);
  Talker listener(pool, nothing);
  Talker visitor(pool, nothing);
  ASSERT_TRUE(bridge.add_port(talker, {.name = "talker", .storm_limit = 0}));
  ASSERT_TRUE(bridge.add_port(listener, {.name = "listener"}));
  const PortCounters& heard = *bridge.counters(1);
  (*reactor)->attach(bridge);
  std::jthread worker([&](const std::stop_token& stop) {
    const DpdkThread registered;
    (*reactor)->run(stop);
  });
  uint64_t last = 0;
  for (uint64_t visit = 0; visit < kVisits; ++visit) {
    left.fetch_add(kFramesEach);
    PortId id = kNoPort;
    on(**reactor, [&] { id = bridge.add_port(visitor, {.name = "visitor"}).value_or(kNoPort); });
    ASSERT_EQ(id, 2);
    ASSERT_GE(heard.tx_frames.get(), last);
    last = heard.tx_frames.get();
    on(**reactor, [&] { bridge.remove_port(id); });
  }
  while (heard.tx_frames.get() < kVisits * kFramesEach)
    on(**reactor, [] {});
  worker.request_stop();
  worker.join();
  EXPECT_EQ(heard.tx_frames.get(), kVisits * kFramesEach);
  EXPECT_EQ(heard.all_dropped(), 0U);
  (*reactor)->detach(bridge);
}

TEST(Worker, SleepsWhileAPortWaitsForItsBandwidth) {
  auto reactor = std::move(*io::Reactor::create());
  auto timer = std::move(*io::TimerSource::create(
      *reactor, [](void*) noexcept {}, nullptr));
  timer->start();
  VirtualSwitch bridge({}, test_pool());
  bridge.use_timer(timer.get());
  fakes::FakePort slow(test_pool());
  fakes::FakePort listener(test_pool());
  // A frame of 60 bytes takes 7.5 ms, so the worker turns for the rest of it or sleeps.
  ASSERT_TRUE(bridge.add_port(slow, {.name = "slow", .max_bits_per_second = 64'000}));
  ASSERT_TRUE(bridge.add_port(listener, {.name = "listener"}));
  for (int i = 0; i < 8; ++i)
    slow.bring(fakes::ethernet(kBroadcast, station(1)));
  reactor->attach(bridge);
  reactor->turn(false);
  slow.bring(fakes::ethernet(kBroadcast, station(1)));
  const auto slept = [&] { return listener.armed; };
  reactor->run_until(slept);
  EXPECT_FALSE(slow.armed);  // it has a frame, and must not wake its worker with it
  EXPECT_EQ(listener.taken_count(), 8U);
  reactor->run_until([&] { return listener.taken_count() == 9; });
  reactor->detach(bridge);
  timer->stop();
  reactor->run_until([&] { return timer->stopped(); });
}

}  // namespace
}  // namespace viridian::vswitch
