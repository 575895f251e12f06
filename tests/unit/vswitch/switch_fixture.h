// A switch with fake ports, moved by hand and with a clock of the test's.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/fakes/fake_port.h"
#include "vswitch/dpdk.h"
#include "vswitch/virtual_switch.h"

namespace viridian::vswitch {

constexpr uint64_t kSecond = 1'000'000'000;
inline const MacAddress kBroadcast = {{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}};

inline MacAddress station(uint8_t number) { return {{0x02, 0, 0, 0, 0, number}}; }

// One pool for all tests of a program.
inline rte_mempool* test_pool() {
  static const FramePool pool = [] {
    EXPECT_TRUE(start_dpdk());
    return std::move(*make_frame_pool("switch_test", 4095));
  }();
  return pool.get();
}

class SwitchTest : public testing::Test {
 protected:
  explicit SwitchTest(const SwitchSettings& settings = {})
      : pool_(test_pool()), free_before_(rte_mempool_avail_count(pool_)), switch_(settings) {}

  // No frame is lost or freed twice, and the counters of all ports add up.
  ~SwitchTest() override {
    uint64_t in = 0;
    uint64_t out = 0;
    for (const auto id : ids_) {
      const PortCounters* counters = switch_.counters(id);
      if (counters == nullptr) continue;
      in += counters->rx_frames.get() + counters->copies.get();
      out += counters->tx_frames.get() + counters->coalesced.get() + counters->all_dropped();
    }
    if (!removed_) {
      EXPECT_EQ(in, out);
    }
    ports_.clear();
    EXPECT_EQ(rte_mempool_avail_count(pool_), free_before_);
  }

  PortId add(PortSettings settings = {}, const PortFeatures& features = {}) {
    if (settings.name.empty()) settings.name = "port" + std::to_string(ports_.size());
    ports_.push_back(std::make_unique<fakes::FakePort>(pool_, features));
    const auto id = switch_.add_port(*ports_.back(), settings);
    EXPECT_TRUE(id) << id.error().message;
    ids_.push_back(*id);
    return *id;
  }
  void add(unsigned count) {
    for (unsigned i = 0; i < count; ++i)
      add();
  }
  void remove(PortId id) {
    removed_ = true;
    switch_.remove_port(id);
  }

  // Brings one frame and lets it through.
  void send(PortId from, const fakes::PlainFrame& frame) {
    ports_[from]->bring(frame);
    switch_.turn(now_ns_);
  }
  void send(PortId from, const MacAddress& destination, const MacAddress& source) {
    send(from, fakes::ethernet(destination, source));
  }
  // Who got frames since the last call, as a sorted list of ports; one entry for each frame.
  std::vector<PortId> receivers() {
    std::vector<PortId> result;
    for (size_t i = 0; i < ports_.size(); ++i)
      result.insert(result.end(), ports_[i]->take().size(), static_cast<PortId>(i));
    return result;
  }
  uint64_t dropped(PortId id, DropReason reason) { return switch_.counters(id)->dropped(reason); }
  void tell_port(PortId id, const PortSettings& settings) {
    const auto changed = switch_.change_port(id, settings);
    EXPECT_TRUE(changed) << changed.error().message;
  }

  using Ids = std::vector<PortId>;

  rte_mempool* pool_;
  unsigned free_before_;
  bool removed_ = false;
  uint64_t now_ns_ = 1000 * kSecond;
  std::vector<std::unique_ptr<fakes::FakePort>> ports_;
  std::vector<PortId> ids_;
  VirtualSwitch switch_;
};

}  // namespace viridian::vswitch
