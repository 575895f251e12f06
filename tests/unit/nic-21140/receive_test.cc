#include "tests/unit/nic-21140/nic_fixture.h"

namespace viridian::tulip {
namespace {

class ReceiveTest : public NicTest {
 protected:
  ReceiveTest() { open(); }
  void demand() {
    const uint64_t before = nic_->statistics().receive_demands.get();
    guest_.out(2, 0);
    reactor_->run_until([&] { return nic_->statistics().receive_demands.get() != before; });
  }
};

class ChainReceiveTest : public NicTest {
 protected:
  ChainReceiveTest() : NicTest({.mac = kMac}, FakeTulip::Lists::kChain) { open(); }
};

class SmallBufferTest : public NicTest {
 protected:
  SmallBufferTest() {
    guest_.set_receive_buffer_bytes(128, 64);
    open();
  }
};

TEST_F(ReceiveTest, AFrameReachesTheGuestWithItsFcs) {
  for (const size_t length : {60u, 61u, 1514u}) {
    const Bytes frame = frame_to(kMac, length);
    ASSERT_TRUE(deliver(frame));
    EXPECT_EQ(guest_.receive(), frame);
    const uint32_t wanted =
        static_cast<uint32_t>(length + 4) << 16 | rdes0::kFirst | rdes0::kLast | rdes0::kFrameType;
    EXPECT_EQ(guest_.receive_status(), wanted);
  }
}

TEST_F(ReceiveTest, TheFcsInTheBufferIsTheFrames) {
  const Bytes frame = frame_to(kMac, 60);
  deliver(frame);
  const auto buffer = memory_.read<Descriptor>(Gpa{guest_.receive_at(0)})->buffer1.get();
  uint32_t crc = ~0u;
  for (const std::byte byte : frame) {
    for (unsigned bit = 0; bit < 8; ++bit)
      crc = (crc >> 1) ^ (((crc ^ std::to_integer<unsigned>(byte) >> bit) & 1) ? 0xEDB88320 : 0);
  }
  EXPECT_EQ(memory_.read<le32>(Gpa{buffer + 60})->get(), ~crc);
}

TEST_F(ReceiveTest, TheStatusTellsMulticastLengthFieldsAndLongFrames) {
  Bytes frame = frame_to(kBroadcast);
  frame[12] = std::byte{0x00}, frame[13] = std::byte{0x2E};  // a length
  deliver(frame);
  ASSERT_TRUE(guest_.receive());
  EXPECT_EQ(guest_.receive_status() & 0xFFFF, rdes0::kFirst | rdes0::kLast | rdes0::kMulticast);
  deliver(frame_to(kMac, 1515));
  ASSERT_TRUE(guest_.receive());
  EXPECT_EQ(guest_.receive_status() & 0xFFFF,
            rdes0::kFirst | rdes0::kLast | rdes0::kFrameType | rdes0::kTooLong);
}

TEST_F(ReceiveTest, ShortFramesFromTheHostArePadded) {
  deliver(frame_to(kMac, 42));
  Bytes padded = frame_to(kMac, 42);
  padded.resize(60);
  EXPECT_EQ(guest_.receive(), padded);
}

TEST_F(ReceiveTest, TheRingGoesRoundManyTimes) {
  for (unsigned i = 0; i < 3 * FakeTulip::kReceiveCount; ++i) {
    ASSERT_TRUE(deliver(frame_to(kMac, 100, static_cast<uint8_t>(i))));
    ASSERT_EQ(guest_.receive(), frame_to(kMac, 100, static_cast<uint8_t>(i)));
  }
}

TEST_F(ChainReceiveTest, TheChainGoesRoundManyTimes) {
  for (unsigned i = 0; i < 3 * FakeTulip::kReceiveCount; ++i) {
    ASSERT_TRUE(deliver(frame_to(kMac, 100, static_cast<uint8_t>(i))));
    ASSERT_EQ(guest_.receive(), frame_to(kMac, 100, static_cast<uint8_t>(i)));
  }
}

TEST_F(SmallBufferTest, AFrameIsSpreadOverBuffersAndDescriptors) {
  for (unsigned i = 0; i < 100; ++i) {
    ASSERT_TRUE(deliver(frame_to(kMac, 1000, static_cast<uint8_t>(i))));
    ASSERT_EQ(guest_.receive(), frame_to(kMac, 1000, static_cast<uint8_t>(i)));
  }
  EXPECT_EQ(nic_->statistics().received.get(), 100u);
}

TEST_F(SmallBufferTest, AFrameThatFindsTooFewBuffersIsCutOffAndMarked) {
  for (unsigned i = 2; i < FakeTulip::kReceiveCount; ++i)
    guest_.word(guest_.receive_at(i)).store(0);
  EXPECT_TRUE(deliver(frame_to(kMac, 1000)));
  EXPECT_EQ(guest_.word(guest_.receive_at(0)).load(), rdes0::kFirst);
  const uint32_t last = guest_.word(guest_.receive_at(1)).load();
  EXPECT_EQ(last & 0xFFFF,
            rdes0::kLast | rdes0::kDescriptorError | rdes0::kErrorSummary | rdes0::kFrameType);
  EXPECT_EQ(rdes0::FrameLength::get(last), 2u * 192);
  EXPECT_EQ(receive_state(), 4u);
}

TEST_F(ReceiveTest, SegmentsAndATagOfTheSwitchBecomeOneFrameWithTheTagInPlace) {
  Bytes frame = frame_to(kMac, 100);
  rte_mbuf* head = mbuf_of(std::span(frame).first(20));
  rte_mbuf* tail = mbuf_of(std::span(frame).subspan(20));
  ASSERT_EQ(rte_pktmbuf_chain(head, tail), 0);
  head->vlan_tci = 0x2005;
  head->ol_flags |= vswitch::kFrameVlan;
  EXPECT_EQ(nic_->transmit(std::span(&head, 1)), 1);
  EXPECT_EQ(head->pkt_len, 100u);  // the frame is only borrowed
  rte_pktmbuf_free(head);
  const Bytes tag = {std::byte{0x81}, std::byte{0x00}, std::byte{0x20}, std::byte{0x05}};
  frame.insert(frame.begin() + 12, tag.begin(), tag.end());
  EXPECT_EQ(guest_.receive(), frame);
}

TEST_F(ReceiveTest, WithoutDescriptorsFramesAreMissedAndCounted) {
  for (unsigned i = 0; i < FakeTulip::kReceiveCount; ++i)
    ASSERT_TRUE(deliver(frame_to(kMac)));
  EXPECT_EQ(receive_state(), 4u);
  EXPECT_EQ(status() & cause::kReceiveNoBuffer, cause::kReceiveNoBuffer);
  guest_.out(5, cause::kReceiveNoBuffer);
  for (unsigned i = 0; i < 3; ++i)
    EXPECT_FALSE(deliver(frame_to(kMac)));
  deliver(frame_to(kOther));                          // not for this guest, so not missed
  EXPECT_EQ(status() & cause::kReceiveNoBuffer, 0u);  // only when the process suspends
  EXPECT_EQ(guest_.in(8), 0xE0000003u);
  EXPECT_EQ(guest_.in(8), 0xE0000000u);  // its read clears it
}

TEST_F(ReceiveTest, ABurstThatDoesNotFitIsTakenInPartAndTheRestCounted) {
  for (unsigned i = 0; i < FakeTulip::kReceiveCount - 2; ++i)
    deliver(frame_to(kMac));
  std::array<rte_mbuf*, 6> burst;
  for (rte_mbuf*& frame : burst)
    frame = mbuf_of(frame_to(kMac));
  rte_pktmbuf_mtod(burst[4], std::byte*)[5] = std::byte{0x77};  // another's
  EXPECT_EQ(nic_->transmit(burst), 2);
  for (rte_mbuf* frame : burst)
    rte_pktmbuf_free(frame);
  EXPECT_EQ(guest_.in(8), 0xE0000003u);
}

TEST_F(ReceiveTest, TheMissedCounterSaysThatItOverflowed) {
  for (unsigned i = 0; i < FakeTulip::kReceiveCount; ++i)
    deliver(frame_to(kMac));
  rte_mbuf* frame = mbuf_of(frame_to(kMac));
  const std::vector<rte_mbuf*> burst(0x10002, frame);
  nic_->transmit(burst);
  rte_pktmbuf_free(frame);
  EXPECT_EQ(guest_.in(8), 0xE0010002u);
}

TEST_F(ReceiveTest, ASuspendedReceiverGoesOnWithTheNextFrameOrADemand) {
  for (unsigned i = 0; i < FakeTulip::kReceiveCount; ++i)
    deliver(frame_to(kMac));
  EXPECT_EQ(receive_state(), 4u);
  demand();
  EXPECT_EQ(receive_state(), 4u);
  guest_.word(guest_.receive_at(0)).store(kOwn);
  demand();
  EXPECT_EQ(receive_state(), 3u);
  EXPECT_TRUE(deliver(frame_to(kMac)));
  EXPECT_EQ(receive_state(), 4u);
  guest_.word(guest_.receive_at(1)).store(kOwn);
  EXPECT_TRUE(deliver(frame_to(kMac)));
}

TEST_F(ReceiveTest, FramesThatAreTooLongForTheChipStopNothing) {
  EXPECT_TRUE(deliver(frame_to(kMac, 2045)));
  EXPECT_EQ(nic_->statistics().bad_length.get(), 1u);
  EXPECT_TRUE(deliver(frame_to(kMac, 2044)));
  EXPECT_EQ(nic_->statistics().received.get(), 1u);
  EXPECT_TRUE(deliver(Bytes(13)));
  EXPECT_EQ(nic_->statistics().bad_length.get(), 2u);
  EXPECT_TRUE(deliver(frame_to(kMac)));
  EXPECT_EQ(nic_->statistics().received.get(), 2u);
}

TEST_F(ReceiveTest, AStoppedReceiverTakesNothingAndGoesOnWhereItWas) {
  deliver(frame_to(kMac));
  EXPECT_TRUE(guest_.receive());
  guest_.out(6, guest_.in(6) & ~csr6::kStartReceive);
  EXPECT_EQ(receive_state(), 0u);
  deliver(frame_to(kMac));
  EXPECT_FALSE(guest_.receive());
  EXPECT_EQ(guest_.in(8), 0xE0000000u);  // nobody listened: not missed
  EXPECT_EQ(nic_->statistics().not_running.get(), 1u);
  guest_.out(6, guest_.in(6) | csr6::kStartReceive);
  deliver(frame_to(kMac, 70));
  EXPECT_EQ(guest_.receive(), frame_to(kMac, 70));
}

TEST_F(ReceiveTest, AReceiverThatStartsWithoutDescriptorsSaysSo) {
  guest_.out(6, guest_.in(6) & ~csr6::kStartReceive);
  guest_.word(guest_.receive_at(0)).store(0);
  guest_.out(5, 0x1FFFF);
  guest_.out(6, guest_.in(6) | csr6::kStartReceive);
  EXPECT_EQ(receive_state(), 4u);
  EXPECT_EQ(status() & 0x1FFFF, cause::kReceiveNoBuffer | cause::kAbnormalSummary);
}

TEST_F(ReceiveTest, OneInterruptComesForABurst) {
  std::array<rte_mbuf*, 32> burst;
  for (rte_mbuf*& frame : burst)
    frame = mbuf_of(frame_to(kMac));
  EXPECT_EQ(nic_->transmit(burst), burst.size());
  for (rte_mbuf* frame : burst)
    rte_pktmbuf_free(frame);
  EXPECT_EQ(line_.rises, 1u);
  EXPECT_EQ(status() & 0x1FFFF, cause::kReceive | cause::kNormalSummary);
}

TEST_F(ReceiveTest, WithTheLinkDownNothingArrives) {
  nic_->set_link(false);
  deliver(frame_to(kMac));
  nic_->set_link(true);
  deliver(frame_to(kMac, 70));
  EXPECT_EQ(guest_.receive(), frame_to(kMac, 70));
}

TEST_F(ReceiveTest, ResetInTheMiddleOfTrafficGoesBackToTheListsBegin) {
  for (unsigned i = 0; i < 50; ++i)
    deliver(frame_to(kMac));
  EXPECT_TRUE(line_.level);
  guest_.out(0, csr0::kSoftwareReset);
  EXPECT_FALSE(line_.level);
  deliver(frame_to(kMac));  // not started
  guest_.make_lists();
  guest_.out(6, csr6::kStartReceive | csr6::kPromiscuous);
  deliver(frame_to(kOther, 99));
  EXPECT_EQ(guest_.receive(), frame_to(kOther, 99));
}

}  // namespace
}  // namespace viridian::tulip
