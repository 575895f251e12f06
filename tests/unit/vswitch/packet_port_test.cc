// In a network namespace of the test's own: a port on each end of a veth pair.
#include "vswitch/packet_port.h"

#include <gtest/gtest.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cstdlib>
#include <cstring>

#include "tests/unit/vswitch/frame_bytes.h"
#include "tests/unit/vswitch/ip_frames.h"
#include "vswitch/dpdk.h"
#include "vswitch/offload.h"

namespace viridian::vswitch {
namespace {

constexpr unsigned kFrames = 2047;

// TCP that is to be cut into segments of `segment_bytes`.
rte_mbuf* large_tcp_frame(rte_mempool* pool, size_t payload_bytes, uint16_t segment_bytes) {
  const Bytes header =
      be(1000) + be(2000) + Bytes{0, 0, 1, 0, 0, 0, 0, 0, 0x50, 0x10} + be(512) + Bytes{0, 0, 0, 0};
  fakes::PlainFrame plain = ip_frame(ipv4(6, header + Bytes(payload_bytes)));
  plain.flags = kFrameSegment | kFrameTcp | kFrameIpv4 | kFrameIpChecksum;
  plain.l2_bytes = 14;
  plain.l3_bytes = 20;
  plain.l4_bytes = 20;
  plain.segment_bytes = segment_bytes;
  rte_mbuf* frame = fakes::to_mbuf(plain, pool);
  complete_large_send(*frame);
  return frame;
}

// What is up may still be without a carrier for a moment, and drops frames as long.
void wait_until_running(const char* name) {
  const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM, 0));
  ifreq request = {};
  std::strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  while (::ioctl(socket.get(), SIOCGIFFLAGS, &request) == 0 &&
         (request.ifr_flags & IFF_RUNNING) == 0)
    ::sched_yield();
}

class PacketPortTest : public testing::Test {
 protected:
  void SetUp() override {
    if (::unshare(CLONE_NEWNET) != 0) GTEST_SKIP() << "not here: a network namespace (root)";
    if (std::system("ip link add va type veth peer name vb && ip link set va mtu 9000 up && "
                    "ip link set vb mtu 9000 up") != 0)
      GTEST_SKIP() << "not here: ip, or veth interfaces";
    wait_until_running("va");
    wait_until_running("vb");
    ASSERT_TRUE(start_dpdk());
    auto pool = make_frame_pool("packet_test", kFrames);
    ASSERT_TRUE(pool) << pool.error().message;
    pool_ = std::move(*pool);
    a_ = open("va");
    b_ = open("vb");
  }
  void TearDown() override {
    a_.reset();
    b_.reset();
    if (pool_) {
      EXPECT_EQ(rte_mempool_avail_count(pool_.get()), kFrames);
    }
  }
  std::unique_ptr<PacketPort> open(const char* name) {
    auto port = PacketPort::create(*reactor_, pool_.get(), {name});
    EXPECT_TRUE(port) << port.error().message;
    return port ? std::move(*port) : nullptr;
  }

  // The next frame, whenever the kernel brings it.
  Bytes next(PacketPort& port, uint64_t* flags = nullptr, uint16_t* tag = nullptr) {
    for (;;) {
      const Bytes bytes = take_from(port, flags, tag);
      if (!bytes.empty()) return bytes;
      if (port.arm()) reactor_->turn(true);
    }
  }

  std::unique_ptr<io::Reactor> reactor_ = std::move(*io::Reactor::create());
  FramePool pool_;
  std::unique_ptr<PacketPort> a_;
  std::unique_ptr<PacketPort> b_;
};

TEST_F(PacketPortTest, FramesPassInOrder) {
  EXPECT_EQ(a_->features().mtu, 9000);
  for (size_t i = 0; i < 40; ++i)
    ASSERT_TRUE(give_to(*a_, pool_.get(), numbered_frame(60 + i)));
  for (size_t i = 0; i < 40; ++i)
    EXPECT_EQ(next(*b_), numbered_frame(60 + i));
  EXPECT_TRUE(take_from(*b_).empty());
}

TEST_F(PacketPortTest, WhatItSentDoesNotComeBack) {
  ASSERT_TRUE(give_to(*a_, pool_.get(), numbered_frame(100)));
  EXPECT_TRUE(take_from(*a_).empty());
}

TEST_F(PacketPortTest, ABurstIsTakenAtOnce) {
  std::vector<rte_mbuf*> burst;
  for (size_t i = 0; i < kBurst; ++i)
    burst.push_back(mbuf_of(pool_.get(), numbered_frame(1000 + i)));
  EXPECT_EQ(a_->transmit(burst), kBurst);
  rte_pktmbuf_free_bulk(burst.data(), kBurst);
  for (size_t i = 0; i < kBurst; ++i)
    EXPECT_EQ(next(*b_), numbered_frame(1000 + i));
}

TEST_F(PacketPortTest, TagPassesBesideTheFrame) {
  uint64_t flags = 0;
  uint16_t tag = 0;
  ASSERT_TRUE(give_to(*a_, pool_.get(), numbered_frame(100), kFrameVlan, 0x2064));
  EXPECT_EQ(next(*b_, &flags, &tag), numbered_frame(100));
  EXPECT_EQ(flags & kFrameVlan, kFrameVlan);
  EXPECT_EQ(tag, 0x2064);
}

TEST_F(PacketPortTest, LargeSendPassesUncut) {
  constexpr uint32_t kPayload = 30000;
  rte_mbuf* frame = large_tcp_frame(pool_.get(), kPayload, 1400);
  ASSERT_EQ(a_->transmit({&frame, 1}), 1);
  const uint32_t sent_bytes = frame->pkt_len;
  rte_pktmbuf_free(frame);
  rte_mbuf* got = nullptr;
  while (got == nullptr || got->pkt_len != sent_bytes) {
    rte_pktmbuf_free(got);
    got = nullptr;
    if (b_->receive({&got, 1}) == 0 && b_->arm()) reactor_->turn(true);
  }
  EXPECT_NE(got->ol_flags & kFrameSegment, 0U);
  EXPECT_EQ(got->tso_segsz, 1400);
  EXPECT_TRUE(offloads_fit(*got));
  rte_pktmbuf_free(got);
}

TEST_F(PacketPortTest, WakesTheReactorWhenAFrameComes) {
  while (!take_from(*b_).empty() || !b_->arm())
    continue;
  ASSERT_TRUE(give_to(*a_, pool_.get(), numbered_frame(100)));
  EXPECT_EQ(next(*b_), numbered_frame(100));
}

TEST_F(PacketPortTest, InterfaceThatIsDownSwallowsFramesAndComesBack) {
  ASSERT_EQ(std::system("ip link set vb down"), 0);
  for (int i = 0; i < 100; ++i)
    EXPECT_TRUE(give_to(*a_, pool_.get(), numbered_frame(100)));
  EXPECT_TRUE(take_from(*b_).empty());
  ASSERT_EQ(std::system("ip link set vb up"), 0);
  wait_until_running("va");
  wait_until_running("vb");
  ASSERT_TRUE(give_to(*a_, pool_.get(), numbered_frame(200)));
  EXPECT_EQ(next(*b_), numbered_frame(200));
}

TEST_F(PacketPortTest, InterfaceThatIsNotThereIsRefused) {
  const auto port = PacketPort::create(*reactor_, pool_.get(), {"nowhere"});
  ASSERT_FALSE(port);
  EXPECT_NE(port.error().message.find("interface \"nowhere\": there is none"), std::string::npos);
}

}  // namespace
}  // namespace viridian::vswitch
