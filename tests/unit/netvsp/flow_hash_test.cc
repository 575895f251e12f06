// The values are those of Microsoft's "Verifying the RSS Hash Calculation".
#include "netvsp/flow_hash.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "vswitch/dpdk.h"

namespace viridian::netvsp {
namespace {

constexpr HashKey kKey = {{0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67,
                           0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb,
                           0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30,
                           0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa}};

class FlowHash : public testing::Test {
 protected:
  FlowHash() {
    EXPECT_TRUE(vswitch::start_dpdk());
    pool_ = std::move(*vswitch::make_frame_pool("flow_hash_test", 64));
  }
  std::optional<uint32_t> hash(const std::vector<uint8_t>& bytes) {
    rte_mbuf* frame = rte_pktmbuf_alloc(pool_.get());
    std::memcpy(rte_pktmbuf_append(frame, static_cast<uint16_t>(bytes.size())), bytes.data(),
                bytes.size());
    const auto result = flow_hash(*frame, kKey);
    rte_pktmbuf_free(frame);
    return result;
  }
  static std::vector<uint8_t> ipv4(uint8_t protocol, uint8_t fragment = 0) {
    std::vector<uint8_t> frame(12);
    frame.insert(frame.end(),
                 {8,        0,    0x45, 0,   0, 40,  0,   0,   fragment, 0,   64,
                  protocol, 0,    0,    66,  9, 149, 187, 161, 142,      100, 80,  // 161.142.100.80
                  0x0a,     0xea, 0x06, 0xe6});                                    // 2794, 1766
    return frame;
  }

  vswitch::FramePool pool_;
};

TEST_F(FlowHash, OfTcpOverIpv4HasTheKnownValue) { EXPECT_EQ(hash(ipv4(6)), 0x51ccc178u); }

TEST_F(FlowHash, OfOtherIpv4LeavesThePortsOut) {
  EXPECT_EQ(hash(ipv4(17)), 0x323e8fc2u);
  EXPECT_EQ(hash(ipv4(6, 0x20)), 0x323e8fc2u) << "a fragment has no ports";
}

TEST_F(FlowHash, OfWhatIsNotIpIsNone) {
  EXPECT_FALSE(hash(std::vector<uint8_t>(60)));
  EXPECT_FALSE(hash(std::vector<uint8_t>(14)));
}

}  // namespace
}  // namespace viridian::netvsp
