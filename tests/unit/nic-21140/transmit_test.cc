#include "nic-21140/limits.h"
#include "tests/unit/nic-21140/nic_fixture.h"

namespace viridian::tulip {
namespace {

using TransmitTest = NicTest;

class ChainTransmitTest : public NicTest {
 protected:
  ChainTransmitTest() : NicTest({.mac = kMac}, FakeTulip::Lists::kChain) {}
};

TEST_F(TransmitTest, OpeningTakesTheSetupFrameAndSuspends) {
  open();
  EXPECT_EQ(nic_->statistics().setup_frames.get(), 1u);
  EXPECT_EQ(guest_.transmit_status(0), 0x7FFFFFFFu);
  EXPECT_EQ(transmit_state(), 6u);
  EXPECT_EQ(receive_state(), 3u);
}

TEST_F(TransmitTest, AFrameReachesTheSwitchAsItIs) {
  open();
  for (const size_t length : {60u, 61u, 1514u}) {
    const Bytes frame = frame_to(kOther, length);
    guest_.send(frame);
    work();
    ASSERT_EQ(sent_.size(), 1u);
    EXPECT_EQ(sent_[0], frame);
    EXPECT_EQ(guest_.transmit_status_back(0), 0u);
    sent_.clear();
  }
}

TEST_F(TransmitTest, ShortFramesArePadded) {
  open();
  guest_.send(frame_to(kOther, 42));
  work();
  Bytes padded = frame_to(kOther, 42);
  padded.resize(60);
  EXPECT_EQ(sent_, std::vector<Bytes>{padded});
}

TEST_F(TransmitTest, TheRingGoesRoundManyTimes) {
  open();
  for (unsigned i = 0; i < 5 * FakeTulip::kTransmitCount; ++i) {
    guest_.send(frame_to(kOther, 60, static_cast<uint8_t>(i)));
    work();
    ASSERT_EQ(sent_.back(), frame_to(kOther, 60, static_cast<uint8_t>(i)));
  }
  EXPECT_EQ(nic_->statistics().errors.total(), 0u);
}

TEST_F(ChainTransmitTest, TheChainGoesRoundManyTimes) {
  open();
  for (unsigned i = 0; i < 5 * FakeTulip::kTransmitCount; ++i) {
    guest_.send(frame_to(kOther, 60, static_cast<uint8_t>(i)));
    work();
    ASSERT_EQ(sent_.back(), frame_to(kOther, 60, static_cast<uint8_t>(i)));
  }
  EXPECT_EQ(nic_->statistics().errors.total(), 0u);
}

TEST_F(TransmitTest, OneDemandSendsEverythingThatIsThere) {
  open();
  for (unsigned i = 0; i < 20; ++i)
    guest_.give(frame_to(kOther, 100, static_cast<uint8_t>(i)));
  guest_.out(1, 0);
  work();
  EXPECT_EQ(sent_.size(), 20u);
  EXPECT_EQ(guest_.transmits_pending(), 0u);
}

TEST_F(TransmitTest, SegmentsBecomeOneFrame) {
  open();
  const Bytes frame = frame_to(kOther, 1000);
  guest_.give(frame, 7);
  guest_.out(1, 0);
  work();
  EXPECT_EQ(sent_, std::vector<Bytes>{frame});
}

TEST_F(TransmitTest, BothBuffersOfADescriptorAreUsed) {
  open();
  const Bytes frame = frame_to(kOther, 200);
  memory_.write(Gpa{0x60000}, std::span(frame).first(150));
  memory_.write(Gpa{0x61000}, std::span(frame).subspan(150));
  memory_.write(Gpa{guest_.transmit_at(1)},
                Descriptor{kOwn, tdes1::kFirst | tdes1::kLast | 150 | 50 << 11, 0x60000, 0x61000});
  guest_.out(1, 0);
  work();
  EXPECT_EQ(sent_, std::vector<Bytes>{frame});
}

TEST_F(TransmitTest, AFrameWaitsForItsLastSegment) {
  open();
  const Bytes frame = frame_to(kOther, 120);
  memory_.write(Gpa{0x60000}, frame);
  const uint32_t first = guest_.transmit_at(1), second = guest_.transmit_at(2);
  memory_.write(Gpa{first}, Descriptor{kOwn, tdes1::kFirst | 100, 0x60000, 0});
  guest_.out(1, 0);
  work();
  EXPECT_TRUE(sent_.empty());
  EXPECT_EQ(transmit_state(), 6u);
  memory_.write(Gpa{second}, Descriptor{kOwn, tdes1::kLast | 20, 0x60000 + 100, 0});
  guest_.out(1, 0);
  work();
  EXPECT_EQ(sent_, std::vector<Bytes>{frame});
}

TEST_F(TransmitTest, AnInterruptComesForFramesThatAskAndAtTheEndOfTheList) {
  open(0, cause::kTransmit | cause::kNormalSummary);
  guest_.send(frame_to(kOther));
  work();
  EXPECT_FALSE(line_.level);
  EXPECT_EQ(status() & 0x1FFFF, cause::kTransmitNoBuffer | cause::kNormalSummary);
  guest_.give(frame_to(kOther), 1, tdes1::kInterrupt);
  guest_.out(1, 0);
  work();
  EXPECT_TRUE(line_.level);
}

TEST_F(TransmitTest, NothingIsFetchedWithoutADemand) {
  open();
  guest_.give(frame_to(kOther));
  poll();
  EXPECT_TRUE(sent_.empty());
  EXPECT_EQ(guest_.transmits_pending(), 1u);
}

TEST_F(TransmitTest, WithAutomaticPollingADemandIsNotNeeded) {
  open();
  guest_.out(0, 0x00020000);
  guest_.give(frame_to(kOther));
  reactor_->run_until([&] {
    poll();
    return !sent_.empty();
  });
  guest_.out(0, 0);
}

TEST_F(TransmitTest, AStoppedTransmitterSendsNothingAndGoesOnWhereItWas) {
  open();
  guest_.out(6, guest_.in(6) & ~csr6::kStartTransmit);
  EXPECT_EQ(transmit_state(), 0u);
  EXPECT_EQ(status() & 0x1FFFF, cause::kTransmitStopped | cause::kAbnormalSummary);
  guest_.send(frame_to(kOther));
  work();
  EXPECT_TRUE(sent_.empty());
  guest_.out(6, guest_.in(6) | csr6::kStartTransmit);
  work();
  EXPECT_EQ(sent_.size(), 1u);
}

TEST_F(TransmitTest, ANewListAddressStartsThatList) {
  open();
  guest_.send(frame_to(kOther));
  work();
  guest_.out(6, guest_.in(6) & ~csr6::kStartTransmit);
  memory_.write(Gpa{0x7000}, frame_to(kOther, 77));
  memory_.write(Gpa{0x6000}, Descriptor{kOwn, tdes1::kFirst | tdes1::kLast | 77, 0x7000, 0});
  guest_.out(4, 0x6000);
  guest_.out(6, guest_.in(6) | csr6::kStartTransmit);
  work();
  EXPECT_EQ(sent_.back(), frame_to(kOther, 77));
}

TEST_F(TransmitTest, ResetInTheMiddleOfTrafficGoesBackToTheListsBegin) {
  open();
  for (unsigned i = 0; i < 5; ++i)
    guest_.give(frame_to(kOther));
  guest_.give(frame_to(kOther, 100), 2);
  guest_.word(guest_.transmit_at(7)).store(0);  // the sixth frame's last segment is not there yet
  guest_.out(1, 0);
  work();
  EXPECT_EQ(sent_.size(), 5u);
  guest_.out(0, csr0::kSoftwareReset);
  EXPECT_EQ(transmit_state(), 0u);
  EXPECT_EQ(receive_state(), 0u);
  EXPECT_FALSE(line_.level);
  sent_.clear();
  guest_.make_lists();
  guest_.give(frame_to(kOther, 90));  // in the first descriptor again
  guest_.out(6, csr6::kStartTransmit);
  work();
  EXPECT_EQ(sent_, std::vector<Bytes>{frame_to(kOther, 90)});
}

TEST_F(TransmitTest, DescriptorsOfARingMayHaveAGap) {
  open();
  guest_.out(6, guest_.in(6) & ~csr6::kStartTransmit);
  guest_.out(0, 4 << 2);  // four longwords
  for (uint32_t i = 0; i < 3; ++i) {
    memory_.write(Gpa{0x7000 + 0x100 * i}, frame_to(kOther, 64, static_cast<uint8_t>(i)));
    memory_.write(Gpa{0x6000 + 32 * i},
                  Descriptor{kOwn, tdes1::kFirst | tdes1::kLast | 64, 0x7000 + 0x100 * i, 0});
  }
  guest_.out(4, 0x6000);
  guest_.out(6, guest_.in(6) | csr6::kStartTransmit);
  work();
  EXPECT_EQ(sent_.size(), 3u);
}

TEST_F(TransmitTest, WithoutBusMasteringTheChipWaits) {
  open();
  guest_.config_out(pci::reg::kCommand, 2, 3);
  guest_.send(frame_to(kOther));
  work();
  EXPECT_TRUE(sent_.empty());
  EXPECT_TRUE(nic_->arm());
  guest_.config_out(pci::reg::kCommand, 2, 7);
  work();
  EXPECT_EQ(sent_.size(), 1u);
}

TEST_F(TransmitTest, AGuestsOwnFcsIsCheckedAndTakenOff) {
  open();
  const Bytes frame = frame_to(kOther, 100);
  deliver(frame_to(kMac, 100));  // lets the chip compute one: same bytes but for the address
  Bytes with_fcs = frame;
  uint32_t crc = ~0u;
  for (const std::byte byte : frame) {
    for (unsigned bit = 0; bit < 8; ++bit)
      crc = (crc >> 1) ^ (((crc ^ std::to_integer<unsigned>(byte) >> bit) & 1) ? 0xEDB88320 : 0);
  }
  for (unsigned i = 0; i < 4; ++i)
    with_fcs.push_back(static_cast<std::byte>(~crc >> (8 * i)));
  guest_.give(with_fcs, 1, tdes1::kNoCrc);
  with_fcs.back() ^= std::byte{1};
  guest_.give(with_fcs, 1, tdes1::kNoCrc);
  guest_.out(1, 0);
  work();
  EXPECT_EQ(sent_, std::vector<Bytes>{frame});
  EXPECT_EQ(errors(GuestError::kBadFcs), 1u);
  EXPECT_EQ(guest_.transmits_pending(), 0u);
}

TEST_F(TransmitTest, VlanTagsLeaveTheFrameForTheSwitchToSee) {
  open();
  Bytes tagged = frame_to(kOther, 104);
  const Bytes tag = {std::byte{0x81}, std::byte{0x00}, std::byte{0x60}, std::byte{0x0A}};
  std::copy(tag.begin(), tag.end(), tagged.begin() + 12);
  guest_.send(tagged);
  guest_.send(frame_to(kOther));
  work();
  tagged.erase(tagged.begin() + 12, tagged.begin() + 16);
  EXPECT_EQ(sent_[0], tagged);
  EXPECT_EQ(tags_, (std::vector{0x600A, -1}));
}

class UntaggedPortTest : public NicTest {
 protected:
  UntaggedPortTest() : NicTest({.mac = kMac, .vlan_tags = VlanTags::kData}) {}
};

TEST_F(UntaggedPortTest, VlanTagsAreData) {
  open();
  Bytes tagged = frame_to(kOther, 104);
  tagged[12] = std::byte{0x81};
  guest_.send(tagged);
  work();
  EXPECT_EQ(sent_, std::vector<Bytes>{tagged});
  EXPECT_EQ(tags_, std::vector{-1});
}

TEST_F(TransmitTest, WithTheLinkDownFramesVanishAndDescriptorsComeBack) {
  open();
  nic_->set_link(false);
  guest_.send(frame_to(kOther));
  work();
  EXPECT_TRUE(sent_.empty());
  EXPECT_EQ(guest_.transmits_pending(), 0u);
}

TEST_F(TransmitTest, InLoopbackFramesComeBackInsteadOfGoingOut) {
  open(csr6::OperatingMode::with(0, 1));
  guest_.send(frame_to(kMac, 80));
  work();
  EXPECT_TRUE(sent_.empty());
  EXPECT_EQ(guest_.receive(), frame_to(kMac, 80));
}

TEST_F(TransmitTest, MoreFramesThanOneBurstGoOutInSeveral) {
  open();
  for (unsigned i = 0; i < 30; ++i)
    guest_.give(frame_to(kOther, 60, static_cast<uint8_t>(i)));
  guest_.out(1, 0);
  reactor_->run_until([&] { return !nic_->arm(); });
  std::array<rte_mbuf*, 8> frames;
  unsigned total = 0;
  while (!nic_->arm()) {
    const uint16_t count = nic_->receive(frames);
    for (uint16_t i = 0; i < count; ++i)
      rte_pktmbuf_free(frames[i]);
    total += count;
  }
  EXPECT_EQ(total, 30u);
}

}  // namespace
}  // namespace viridian::tulip
