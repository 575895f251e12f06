// On DPDK's devices that need no hardware: rings that loop back, and files.
#include "vswitch/ethdev_port.h"

#include <gtest/gtest.h>

#include "tests/support/temp_folder.h"
#include "tests/unit/vswitch/frame_bytes.h"
#include "vswitch/dpdk.h"

namespace viridian::vswitch {
namespace {

constexpr unsigned kFrames = 2047;

class EthdevPortTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(start_dpdk());
    auto pool = make_frame_pool("ethdev_test", kFrames);
    ASSERT_TRUE(pool) << pool.error().message;
    pool_ = std::move(*pool);
  }
  void TearDown() override { EXPECT_EQ(rte_mempool_avail_count(pool_.get()), kFrames); }

  std::unique_ptr<EthdevPort> open(const std::string& device) {
    auto port = EthdevPort::create(*reactor_, pool_.get(), {device});
    EXPECT_TRUE(port) << port.error().message;
    return port ? std::move(*port) : nullptr;
  }
  std::string refusal(const std::string& device, uint16_t mtu = 1500) {
    auto port = EthdevPort::create(*reactor_, pool_.get(), {device, mtu});
    return port ? "" : port.error().message;
  }

  std::unique_ptr<io::Reactor> reactor_ = std::move(*io::Reactor::create());
  FramePool pool_;
};

TEST_F(EthdevPortTest, RingGivesBackWhatItGot) {
  const auto port = open("net_ring0");
  for (const size_t size : {60U, 1514U}) {
    ASSERT_TRUE(give_to(*port, pool_.get(), numbered_frame(size)));
    EXPECT_EQ(take_from(*port), numbered_frame(size));
  }
  EXPECT_TRUE(take_from(*port).empty());
}

TEST_F(EthdevPortTest, TagGoesIntoTheFrame) {
  const auto port = open("net_ring0");
  ASSERT_TRUE(give_to(*port, pool_.get(), numbered_frame(60), kFrameVlan, 0x2064));
  rte_mbuf* frame = nullptr;
  ASSERT_EQ(port->receive({&frame, 1}), 1);
  Bytes expected = numbered_frame(60);
  expected.insert(expected.begin() + 12, {0x81, 0x00, 0x20, 0x64});
  EXPECT_EQ(bytes_of(*frame), expected);
  rte_pktmbuf_free(frame);
}

TEST_F(EthdevPortTest, AFrameThatOthersHaveTooIsCopied) {
  const auto port = open("net_ring0");
  rte_mbuf* frame = mbuf_of(pool_.get(), numbered_frame(60));
  rte_mbuf_refcnt_update(frame, 1);
  ASSERT_EQ(port->transmit({&frame, 1}), 1);
  EXPECT_EQ(rte_mbuf_refcnt_read(frame), 1);  // one was the port's
  rte_pktmbuf_free(frame);
  EXPECT_EQ(take_from(*port), numbered_frame(60));
}

TEST_F(EthdevPortTest, FileGetsTheFramesAndGivesThem) {
  const TempFolder folder;
  const std::string file = folder.file("frames.pcap");
  {
    const auto writer = open("net_pcap0,tx_pcap=" + file);
    for (size_t i = 0; i < 5; ++i)
      ASSERT_TRUE(give_to(*writer, pool_.get(), numbered_frame(100 + i)));
  }
  const auto reader = open("net_pcap1,rx_pcap=" + file);
  for (size_t i = 0; i < 5; ++i)
    EXPECT_EQ(take_from(*reader), numbered_frame(100 + i));
}

TEST_F(EthdevPortTest, SleepingWorkerLooksAgain) {
  const auto port = open("net_ring0");
  ASSERT_TRUE(port->arm());
  const uint64_t before = reactor_->enter_count();
  reactor_->turn(true);
  EXPECT_GT(reactor_->enter_count(), before);
}

TEST_F(EthdevPortTest, DeviceIsFreeAgainWhenItsPortIsGone) {
  for (int i = 0; i < 3; ++i)
    EXPECT_NE(open("net_ring0"), nullptr);
}

TEST_F(EthdevPortTest, WhatCannotBeOpenedIsNamed) {
  EXPECT_NE(refusal("net_nothing0,x=1").find("device \"net_nothing0,x=1\": DPDK does not know it"),
            std::string::npos);
  EXPECT_NE(refusal("").find("it has no name"), std::string::npos);
  EXPECT_NE(refusal("net_pcap2,rx_pcap=/nowhere/file").find("device \"net_pcap2"),
            std::string::npos);
  const auto port = open("net_ring0");
  EXPECT_NE(refusal("net_ring0").find("another port uses it"), std::string::npos);
}

}  // namespace
}  // namespace viridian::vswitch
