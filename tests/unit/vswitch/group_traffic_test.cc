// A switch of several workers on threads of their own: frames cross both ways while ports come and
// go, and nobody loses one. For the thread sanitizer too: each thread has its own pool, since it
// does not see how DPDK's library orders what passes through one.
#include <atomic>
#include <thread>

#include "io/reactor_thread.h"
#include "tests/support/test_factor.h"
#include "tests/unit/vswitch/group_fixture.h"

namespace viridian::vswitch {
namespace {

// Sends to its peer, but never so many at once that a ring could be full.
class Pacer : public SwitchPort {
 public:
  Pacer(rte_mempool* pool, uint8_t number, uint8_t other) : pool_(pool), number_(number) {
    to_peer_ = fakes::ethernet(station(other), station(number));
    to_all_ = fakes::ethernet(kBroadcast, station(number));
  }

  PortSettings settings() const {
    return {.name = std::to_string(number_), .mac = station(number_), .storm_limit = 0};
  }
  PortFeatures features() const noexcept override { return {}; }
  uint16_t receive(std::span<rte_mbuf*> frames) noexcept override {
    uint16_t count = 0;
    while (count < 8 && may_send()) {
      const uint64_t number = sent.load();
      rte_mbuf* frame = fakes::to_mbuf(number % 5 == 0 ? to_all_ : to_peer_, pool_);
      if (frame == nullptr) break;
      frames[count++] = frame;
      sent.store(number + 1);
    }
    return count;
  }
  uint16_t transmit(std::span<rte_mbuf* const> frames) noexcept override {
    heard.fetch_add(frames.size());
    return static_cast<uint16_t>(frames.size());
  }
  bool arm() noexcept override { return !may_send(); }
  void disarm() noexcept override {}

  std::atomic<uint64_t> wanted{0};  // frames that it sends in all
  std::atomic<uint64_t> window{200};
  std::atomic<uint64_t> sent{0};
  std::atomic<uint64_t> heard{0};
  const Pacer* peer = nullptr;

 private:
  bool may_send() const {
    return sent.load() < wanted.load() && sent.load() - peer->heard.load() < window.load();
  }

  rte_mempool* pool_;
  uint8_t number_;
  fakes::PlainFrame to_peer_;
  fakes::PlainFrame to_all_;
};

class GroupTraffic : public testing::Test {
 protected:
  static constexpr unsigned kWorkers = 2;
  struct Worker {
    FramePool pool;
    std::unique_ptr<io::ReactorThread> thread;
    std::optional<DpdkThread> registration;
  };

  GroupTraffic() {
    EXPECT_TRUE(start_dpdk());
    std::vector<SwitchGroup::Place> places;
    for (unsigned i = 0; i < kWorkers; ++i) {
      Worker& worker = workers_[i];
      worker.pool = std::move(*make_frame_pool("traffic" + std::to_string(i), 2047));
      worker.thread = std::move(*io::ReactorThread::start("traffic"));
      worker.thread->call([&] { worker.registration.emplace(); });
      places.push_back({&worker.thread->reactor(), worker.pool.get()});
    }
    group_ = std::move(
        *SwitchGroup::create({}, places, [this](unsigned i, const std::function<void()>& body) {
          workers_[i].thread->call([&] { body(); });
        }));
    group_->start();
    for (unsigned i = 0; i < kWorkers; ++i)
      pacers_.push_back(std::make_unique<Pacer>(workers_[i].pool.get(), i + 1, 2 - i));
    for (unsigned i = 0; i < kWorkers; ++i) {
      pacers_[i]->peer = pacers_[1 - i].get();
      EXPECT_TRUE(group_->add_port(i, *pacers_[i], pacers_[i]->settings()));
    }
  }

  ~GroupTraffic() override {
    group_->remove_port(0);
    group_->remove_port(1);
    group_->stop();
    group_.reset();
    for (Worker& worker : workers_) {
      EXPECT_EQ(rte_mempool_in_use_count(worker.pool.get()), 0U);
      worker.thread->call([&] { worker.registration.reset(); });
    }
  }

  void talk(uint64_t frames) {
    for (const auto& pacer : pacers_)
      pacer->wanted.fetch_add(frames);
    for (Worker& worker : workers_)
      worker.thread->call([] {});  // wakes it
  }
  void wait_until_heard() {
    for (const auto& pacer : pacers_) {
      while (pacer->peer->heard.load() < pacer->wanted.load())
        std::this_thread::yield();
    }
  }
  void expect_no_loss() {
    PortCounters sum;
    for (PortId id = 0; id < kWorkers; ++id) {
      EXPECT_EQ(pacers_[id]->sent.load(), pacers_[1 - id]->heard.load());
      group_->add_counters(id, sum);
    }
    EXPECT_EQ(sum.all_dropped(), 0U);
  }

  std::array<Worker, kWorkers> workers_;
  std::unique_ptr<SwitchGroup> group_;
  std::vector<std::unique_ptr<Pacer>> pacers_;
};

TEST_F(GroupTraffic, PortsComeAndGoAndNobodyElseLosesAFrame) {
  const unsigned visits = scaled(50);
  for (unsigned visit = 0; visit < visits; ++visit) {
    talk(500);
    const unsigned worker = visit % kWorkers;
    Pacer visitor(workers_[worker].pool.get(), 9, 9);
    visitor.peer = &visitor;
    const auto id = group_->add_port(worker, visitor, visitor.settings());
    ASSERT_TRUE(id) << id.error().message;
    PortSettings changed = visitor.settings();
    changed.dhcp_guard = visit % 4 < 2;
    ASSERT_TRUE(group_->change_ports({{{*id, &changed}}}));
    group_->set_max_age_s(100 + visit);
    PortCounters sum;
    group_->add_counters(0, sum);
    group_->remove_port(*id);
  }
  wait_until_heard();
  expect_no_loss();
}

// One frame at a time: each finds the other worker asleep, or about to sleep, or just awake.
TEST_F(GroupTraffic, WorkersWakeEachOther) {
  for (const auto& pacer : pacers_)
    pacer->window = 1;
  talk(scaled(3000));
  wait_until_heard();
  expect_no_loss();
}

}  // namespace
}  // namespace viridian::vswitch
