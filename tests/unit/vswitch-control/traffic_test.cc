// Ports, settings, kinds and captures come and go while frames flow: those who stay lose none.
// Meant for the thread sanitizer too.
#include <atomic>
#include <thread>

#include "tests/unit/vswitch-control/host_fixture.h"

namespace viridian::vswitch {
namespace {

constexpr int kRounds = 100;

// Brings frames to one address for as long as it is told to.
class Talker : public SwitchPort {
 public:
  explicit Talker(rte_mempool* pool) : pool_(pool) {}

  PortFeatures features() const noexcept override { return {}; }
  uint16_t receive(std::span<rte_mbuf*> frames) noexcept override {
    uint16_t count = 0;
    while (talks.load() && count < 8) {
      rte_mbuf* frame =
          fakes::to_mbuf(fakes::ethernet({{2, 0, 0, 0, 0, 2}}, {{2, 0, 0, 0, 0, 1}}), pool_);
      if (frame == nullptr) break;
      frames[count++] = frame;
    }
    brought.fetch_add(count);
    return count;
  }
  uint16_t transmit(std::span<rte_mbuf* const> frames) noexcept override {
    heard.fetch_add(frames.size());
    return static_cast<uint16_t>(frames.size());
  }
  bool arm() noexcept override { return !talks.load(); }
  void disarm() noexcept override {}

  std::atomic<bool> talks{false};
  std::atomic<uint64_t> brought{0};
  std::atomic<uint64_t> heard{0};

 private:
  rte_mempool* pool_;
};

using TrafficTest = HostTest;

TEST_F(TrafficTest, NobodyElseLosesAFrame) {
  Talker talker(pool_);
  Talker listener(pool_);
  ASSERT_TRUE(host_->add_guest("lan", talker, {.name = "talker", .storm_limit = 0}));
  ASSERT_TRUE(host_->add_guest("lan", listener, {.name = "listener", .mac = {{2, 0, 0, 0, 0, 2}}}));
  const PortCounters& of_talker = *host_->find("lan")->group->view(0).counters(0);
  talker.talks = true;
  host_->on_worker(0, [] {});  // wakes it
  const std::string port =
      "{'command':'add_port','switch':'lan','port':{'name':'p','type':"
      "'ethdev','device':'net_ring_p','vlan':{'mode':'access','vlan':5}}}";
  for (int i = 0; i < kRounds; ++i) {
    result(port);
    result("{'command':'set_port','switch':'lan','port':'p','set':{'weight':" +
           std::to_string(i % 3) + ",'dhcp_guard':true,'acl':[{'protocol':'tcp'}]}}");
    const char* kind = i % 2 == 0 ? "external" : "private";
    result(std::string("{'command':'set_switch','switch':'lan','set':{'mac_age_s':") +
           std::to_string(100 + i) + ",'kind':'" + kind + "'}}");
    result("{'command':'show'}");
    commands_.sample(static_cast<uint64_t>(i) * 1000);
    result("{'command':'remove_port','switch':'lan','port':'p'}");
  }
  talker.talks = false;
  host_->on_worker(0, [] {});
  EXPECT_GT(talker.brought.load(), 0U);
  EXPECT_EQ(listener.heard.load(), talker.brought.load());
  EXPECT_EQ(of_talker.all_dropped(), 0U);
  host_->remove_guest("lan", "talker");
  host_->remove_guest("lan", "listener");
}

TEST_F(TrafficTest, CapturesComeAndGoAndAreRead) {
  Talker talker(pool_);
  ASSERT_TRUE(host_->add_guest("lan", talker, {.name = "talker"}));
  VirtualSwitch& bridge = host_->find("lan")->group->view(0);
  talker.talks = true;
  for (int i = 0; i < 20; ++i) {
    Capture capture({.dropped = true}, 1 << 16);
    host_->on_worker(0, [&] { ASSERT_TRUE(bridge.add_capture(capture)); });
    CapturedFrame frame;
    std::vector<std::byte> bytes;
    for (int seen = 0; seen < 1000;) {
      if (!capture.take(frame, bytes)) continue;
      ++seen;
      ASSERT_EQ(bytes.size(), 60U);
    }
    host_->on_worker(0, [&] { bridge.remove_capture(capture); });
  }
  talker.talks = false;
  host_->remove_guest("lan", "talker");
}

}  // namespace
}  // namespace viridian::vswitch
