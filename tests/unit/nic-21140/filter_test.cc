#include "tests/unit/nic-21140/nic_fixture.h"

namespace viridian::tulip {
namespace {

using Addresses = std::vector<std::array<uint8_t, 6>>;

constexpr uint32_t kHash = tdes1::kFilterType0, kInverse = tdes1::kFilterType1;

class FilterTest : public NicTest {
 protected:
  void setup(uint32_t flags, const SetupFrame& frame) {
    guest_.give_setup(flags, frame);
    guest_.out(1, 0);
    work();
  }
  bool passes(const MacAddress& address) {
    const uint64_t before = nic_->statistics().received.get();
    EXPECT_TRUE(deliver(frame_to(address)));
    const bool passed = nic_->statistics().received.get() != before;
    EXPECT_EQ(guest_.receive().has_value(), passed);
    return passed;
  }
  uint32_t shown_mode() { return guest_.in(6) & (1u << 0 | 1u << 2 | 1u << 4); }
};

TEST_F(FilterTest, BeforeASetupFrameAFilteringChipTakesNothing) {
  open();
  guest_.out(0, csr0::kSoftwareReset);
  guest_.make_lists();
  guest_.out(6, csr6::kStartReceive);
  EXPECT_FALSE(passes(kMac));
  EXPECT_FALSE(passes(kBroadcast));
}

TEST_F(FilterTest, PerfectFilteringTakesTheSixteenAddresses) {
  open();
  EXPECT_TRUE(passes(kMac));
  EXPECT_TRUE(passes(kBroadcast));
  EXPECT_FALSE(passes(kOther));
  EXPECT_FALSE(passes(kGroup));
  setup(0, FakeTulip::perfect(Addresses{kGroup, kOther}));
  EXPECT_TRUE(passes(kGroup));
  EXPECT_TRUE(passes(kOther));
  EXPECT_FALSE(passes(kMac));
  EXPECT_FALSE(passes(kBroadcast));  // it is in the list or not, as any
  EXPECT_EQ(shown_mode(), 0u);
}

TEST_F(FilterTest, InverseFilteringTakesAllButTheSixteenAddresses) {
  open();
  setup(kInverse, FakeTulip::perfect(Addresses{kGroup, kOther}));
  EXPECT_FALSE(passes(kGroup));
  EXPECT_FALSE(passes(kOther));
  EXPECT_TRUE(passes(kMac));
  EXPECT_TRUE(passes(kBroadcast));
  EXPECT_EQ(shown_mode(), csr6::kInverse);
}

TEST_F(FilterTest, HashFilteringTakesMulticastByHashAndOneOtherAddress) {
  open();
  Addresses groups = {kBroadcast};
  for (uint8_t i = 0; i < 40; ++i)
    groups.push_back({0x01, 0x00, 0x5E, i, static_cast<uint8_t>(3 * i), 0x7F});
  setup(kHash, FakeTulip::hash(groups, kMac));
  for (const auto& group : groups)
    EXPECT_TRUE(passes(group));
  EXPECT_TRUE(passes(kMac));
  EXPECT_FALSE(passes(kOther));
  EXPECT_FALSE(passes(kGroup));
  EXPECT_EQ(shown_mode(), csr6::kHashPerfect);
}

TEST_F(FilterTest, TheBroadcastAddressHasTheBitThatDriversSet) {
  open();
  SetupFrame frame{};
  frame.words[255 / 16] = 1u << 255 % 16;
  setup(kHash, frame);
  EXPECT_TRUE(passes(kBroadcast));
}

TEST_F(FilterTest, HashOnlyFilteringTakesUnicastByHashToo) {
  open();
  setup(kHash | kInverse, FakeTulip::hash(Addresses{kOther, kGroup}, kMac));
  EXPECT_TRUE(passes(kOther));
  EXPECT_TRUE(passes(kGroup));
  EXPECT_FALSE(passes(kMac));
  EXPECT_EQ(shown_mode(), csr6::kHashPerfect | csr6::kHashOnly);
}

TEST_F(FilterTest, PromiscuousTakesEverything) {
  open(csr6::kPromiscuous);
  EXPECT_TRUE(passes(kOther));
  EXPECT_TRUE(passes(kGroup));
}

TEST_F(FilterTest, PassAllMulticastTakesGroupsAndBroadcastButNoOthersAddresses) {
  open(csr6::kPassAllMulticast);
  setup(0, FakeTulip::perfect(Addresses{kMac}));
  EXPECT_TRUE(passes(kGroup));
  EXPECT_TRUE(passes(kBroadcast));
  EXPECT_TRUE(passes(kMac));
  EXPECT_FALSE(passes(kOther));
}

TEST_F(FilterTest, ReceiveAllTakesEverythingAndMarksWhatTheFilterRejects) {
  open(csr6::kReceiveAll);
  EXPECT_TRUE(passes(kMac));
  EXPECT_EQ(guest_.receive_status() & rdes0::kFilteringFail, 0u);
  EXPECT_TRUE(passes(kOther));
  EXPECT_EQ(guest_.receive_status() & rdes0::kFilteringFail, rdes0::kFilteringFail);
}

TEST_F(FilterTest, ASetupFrameMayAskForAnInterrupt) {
  open(0, cause::kTransmit | cause::kNormalSummary);
  setup(tdes1::kInterrupt, FakeTulip::perfect(Addresses{kMac}));
  EXPECT_TRUE(line_.level);
}

TEST_F(FilterTest, LinuxPutsAnEmptyDescriptorBeforeASetupFrame) {
  open();
  memory_.write(Gpa{guest_.transmit_at(1)}, Descriptor{kOwn, 0, 0, 0});
  guest_.give({});  // takes the place of the empty one
  memory_.write(Gpa{guest_.transmit_at(1)}, Descriptor{kOwn, 0, 0, 0});
  setup(0, FakeTulip::perfect(Addresses{kOther}));
  EXPECT_TRUE(passes(kOther));
  EXPECT_EQ(nic_->statistics().errors.total(), 0u);
}

TEST_F(FilterTest, SetupFramesOfOtherSizesAreCountedAndIgnored) {
  open();
  for (const uint32_t bytes : {0u, 1u, 191u, 193u, 2047u})
    guest_.give_setup(0, FakeTulip::perfect(Addresses{kOther}), bytes);
  guest_.out(1, 0);
  work();
  EXPECT_EQ(errors(GuestError::kSetupFrameSize), 5u);
  EXPECT_EQ(guest_.transmits_pending(), 0u);
  EXPECT_TRUE(passes(kMac));
  EXPECT_FALSE(passes(kOther));
}

}  // namespace
}  // namespace viridian::tulip
