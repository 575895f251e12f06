#include "vswitch/control/device_closer.h"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>

namespace viridian::vswitch {
namespace {

// A device that the kernel takes away when it is told to.
class SlowPort final : public SwitchPort {
 public:
  SlowPort(std::latch& may_go, std::atomic<bool>& gone) : may_go_(may_go), gone_(gone) {}
  ~SlowPort() override {
    may_go_.wait();
    gone_ = true;
  }
  PortFeatures features() const noexcept override { return {}; }
  uint16_t receive(std::span<rte_mbuf*>) noexcept override { return 0; }
  uint16_t transmit(std::span<rte_mbuf* const>) noexcept override { return 0; }
  bool arm() noexcept override { return true; }
  void disarm() noexcept override {}

 private:
  std::latch& may_go_;
  std::atomic<bool>& gone_;
};

DeviceConfig tap(const char* name) {
  DeviceConfig config;
  config.kind = DeviceKind::kTap;
  config.name = name;
  return config;
}

TEST(DeviceCloser, NobodyWaitsButWhoWantsTheSameDevice) {
  std::latch may_go(1);
  std::atomic<bool> gone = false;
  DeviceCloser closer;
  closer.close(std::make_unique<SlowPort>(may_go, gone), tap("a"));
  closer.wait_for(tap("b"));
  EXPECT_FALSE(gone);
  may_go.count_down();
  closer.wait_for(tap("a"));
  EXPECT_TRUE(gone);
}

TEST(DeviceCloser, AllAreClosedAtItsEnd) {
  std::latch may_go(1);
  std::atomic<bool> first = false;
  std::atomic<bool> second = false;
  {
    DeviceCloser closer;
    closer.close(std::make_unique<SlowPort>(may_go, first), tap("a"));
    closer.close(std::make_unique<SlowPort>(may_go, second), tap("b"));
    may_go.count_down();
  }
  EXPECT_TRUE(first);
  EXPECT_TRUE(second);
}

}  // namespace
}  // namespace viridian::vswitch
