#include "vswitch/flow_verdicts.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/unit/vswitch/ip_frames.h"
#include "tests/unit/vswitch/switch_fixture.h"
#include "vswitch/packet.h"

namespace viridian::vswitch {
namespace {

Bytes frame_of(const Bytes& packet) {
  return fakes::ethernet(station(1), station(2), 0x0800, packet).bytes;
}

TEST(FlowVerdicts, RemembersAFlowAndNotItsNeighbour) {
  FlowVerdicts verdicts;
  verdicts.reset(true);
  const Bytes frame = frame_of(ipv4(17, udp(67, 68)));
  const auto key = flow_key_of(frame);
  ASSERT_TRUE(key);
  EXPECT_FALSE(verdicts.find(frame, *key));
  EXPECT_FALSE(verdicts.of_last(frame));
  verdicts.remember(*key, DropReason::kDhcpGuard);
  EXPECT_EQ(verdicts.find(frame, *key), DropReason::kDhcpGuard);
  EXPECT_EQ(verdicts.of_last(frame), DropReason::kDhcpGuard);
  const Bytes other = frame_of(ipv4(17, udp(67, 69)));
  EXPECT_FALSE(verdicts.find(other, *flow_key_of(other)));
  EXPECT_FALSE(verdicts.of_last(other));
  verdicts.reset(true);
  EXPECT_FALSE(verdicts.find(frame, *key));
  EXPECT_FALSE(verdicts.of_last(frame));
}

// What has a key is clear, and frames with the same key are the same packet to guards and rules:
// whatever bytes are changed.
TEST(FlowVerdicts, KeysTellApartWhatTheParserTellsApart) {
  std::mt19937_64 random(7);
  FlowVerdicts verdicts;
  verdicts.reset(true);
  unsigned same = 0;
  for (unsigned i = 0; i < 200'000; ++i) {
    const uint8_t protocol = random() % 2 == 0 ? 6 : 17;
    const Bytes usual = frame_of(ipv4(protocol, udp(1, 2)));
    const auto key = flow_key_of(usual);
    ASSERT_TRUE(key);
    verdicts.remember(*key, DropReason::kAcl);
    ASSERT_EQ(verdicts.find(usual, *key), DropReason::kAcl);
    Bytes changed = usual;
    for (auto left = random() % 3; left < 3; ++left)
      changed[12 + random() % 36] = static_cast<uint8_t>(random() % 4 == 0 ? random() : 0);
    if (random() % 8 == 0) changed.resize(14 + random() % (changed.size() - 14));
    const auto other = flow_key_of(changed);
    const Packet packet = parse_packet(changed);
    const bool last = verdicts.of_last(changed).has_value();
    ASSERT_EQ(last, other == key) << i;
    if (other) {
      ASSERT_FALSE(packet.unclear()) << i;
      ASSERT_EQ(*other == *key, packet == parse_packet(usual)) << i;
    }
    if (last) ++same;
  }
  EXPECT_GT(same, 1000U);
}

}  // namespace
}  // namespace viridian::vswitch
