// A switch of several workers with fake ports, moved by hand: each worker's view is turned when the
// test says so, all on one thread and with a clock of the test's.
#pragma once

#include "tests/unit/vswitch/switch_fixture.h"
#include "vswitch/switch_group.h"

namespace viridian::vswitch {

inline std::unique_ptr<SwitchGroup> group_by_hand(const SwitchSettings& settings, unsigned workers,
                                                  rte_mempool* pool) {
  const std::vector<SwitchGroup::Place> places(workers, {.reactor = nullptr, .pool = pool});
  auto made = SwitchGroup::create(settings, places,
                                  [](unsigned, const std::function<void()>& body) { body(); });
  EXPECT_TRUE(made) << made.error().message;
  return std::move(*made);
}

class GroupTest : public testing::Test {
 protected:
  explicit GroupTest(unsigned workers = 2, const SwitchSettings& settings = {})
      : pool_(test_pool()),
        free_before_(rte_mempool_avail_count(pool_)),
        group_(group_by_hand(settings, workers, pool_)) {}

  // No frame is lost or freed twice, all are home, and the counters of all workers add up.
  ~GroupTest() override {
    turn_all();
    PortCounters sum;
    for (const PortId id : ids_)
      group_->add_counters(id, sum);
    if (!removed_) {
      EXPECT_EQ(sum.rx_frames.get() + sum.copies.get(), sum.tx_frames.get() + sum.all_dropped());
    }
    group_.reset();
    ports_.clear();
    EXPECT_EQ(rte_mempool_avail_count(pool_), free_before_);
  }

  PortId add(unsigned worker, PortSettings settings = {}, const PortFeatures& features = {}) {
    if (settings.name.empty()) settings.name = "port" + std::to_string(ports_.size());
    ports_.push_back(std::make_unique<fakes::FakePort>(pool_, features));
    const auto id = group_->add_port(worker, *ports_.back(), settings);
    EXPECT_TRUE(id) << id.error().message;
    ids_.push_back(*id);
    return *id;
  }
  void turn(unsigned worker) {
    turning_ = worker;
    group_->view(worker).turn(now_ns_);
  }
  // So often that everything has arrived, and is home.
  void turn_all() {
    for (unsigned i = 0; i < 3 * group_->worker_count(); ++i)
      turn(i % group_->worker_count());
  }
  void send(PortId from, const fakes::PlainFrame& frame) {
    ports_[from]->bring(frame);
    turn(group_->worker_of(from));
    if (group_->worker_count() > 1) turn_all();
  }
  void send(PortId from, const MacAddress& destination, const MacAddress& source) {
    send(from, fakes::ethernet(destination, source));
  }
  using Ids = std::vector<PortId>;
  // Who got frames since the last call, as a sorted list of ports; one entry for each frame.
  Ids receivers() {
    Ids result;
    for (size_t i = 0; i < ports_.size(); ++i)
      result.insert(result.end(), ports_[i]->take().size(), static_cast<PortId>(i));
    return result;
  }
  uint64_t dropped(PortId id, DropReason reason) {
    PortCounters sum;
    group_->add_counters(id, sum);
    return std::as_const(sum).dropped(reason);
  }
  // Where each worker believes the address to be.
  std::vector<PortId> known(const MacAddress& mac) {
    std::vector<PortId> result;
    for (unsigned i = 0; i < group_->worker_count(); ++i) {
      result.push_back(group_->view(i).macs().find(mac_key(mac.bits(), 0),
                                                   static_cast<uint32_t>(now_ns_ / kSecond)));
    }
    return result;
  }

  rte_mempool* pool_;
  unsigned free_before_;
  bool removed_ = false;
  unsigned turning_ = 0;  // the worker whose turn it is
  uint64_t now_ns_ = 1000 * kSecond;
  std::vector<std::unique_ptr<fakes::FakePort>> ports_;
  std::vector<PortId> ids_;
  std::unique_ptr<SwitchGroup> group_;
};

}  // namespace viridian::vswitch
