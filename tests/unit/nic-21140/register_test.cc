#include "tests/unit/nic-21140/nic_fixture.h"

namespace viridian::tulip {
namespace {

using RegisterTest = NicTest;

// Those with side effects or values of their own have their own tests.
constexpr unsigned kPlain[] = {7, 10, 15};

TEST_F(RegisterTest, AfterPowerOnEachRegisterReadsAsItsRowSays) {
  for (unsigned i = 0; i < kCsrCount; ++i) {
    if (i == 9) continue;  // the lines of the serial ROM and the PHY: pulled up
    EXPECT_EQ(guest_.in(i), kCsrs[i].reset) << kCsrs[i].name;
  }
  EXPECT_EQ(guest_.in(9), kCsrs[9].reset | csr9::kMdi);
}

TEST_F(RegisterTest, WritesChangeTheWritableBitsAndNoOthers) {
  for (const unsigned i : kPlain) {
    for (const uint32_t value : {0u, ~0u, 0x5A5A5A5Au, 0xA5A5A5A5u}) {
      guest_.out(i, value);
      EXPECT_EQ(guest_.in(i), (kCsrs[i].reset & ~kCsrs[i].writable) | (value & kCsrs[i].writable))
          << kCsrs[i].name;
    }
  }
  guest_.out(0, ~1u);
  EXPECT_EQ(guest_.in(0), 0xFFBEFFFEu);
  guest_.out(3, 0x12345677);
  EXPECT_EQ(guest_.in(3), 0x12345674u);
  guest_.out(4, 0x7654321F);
  EXPECT_EQ(guest_.in(4), 0x7654321Cu);
  guest_.out(6, ~(csr6::kStartReceive | csr6::kStartTransmit));
  EXPECT_EQ(guest_.in(6), 0xF3EEDEE8u);
  for (const unsigned i : {1u, 2u, 13u, 14u}) {
    guest_.out(i, 0);
    EXPECT_EQ(guest_.in(i), ~0u);
  }
}

TEST_F(RegisterTest, BothBarsShowTheSameRegisters) {
  FakeTulip memory_mapped(*nic_, memory_, 0, FakeTulip::Lists::kRing, 1);
  guest_.out(10, 0x12345);
  EXPECT_EQ(memory_mapped.in(10), 0xFFFD2345u);
  memory_mapped.out(7, 0x1);
  EXPECT_EQ(guest_.in(7), 0xFFFE0001u);
}

TEST_F(RegisterTest, NarrowReadsGetTheirBytesAndNarrowWritesDoNothing) {
  const pci::GateHold hold(nic_->gate());
  EXPECT_EQ(nic_->bar_read(0, csr_offset(6), 1), 0x40u);
  EXPECT_EQ(nic_->bar_read(0, csr_offset(6) + 3, 1), 0x32u);
  EXPECT_EQ(nic_->bar_read(0, csr_offset(6) + 2, 2), 0x3200u);
  EXPECT_EQ(errors(GuestError::kRegisterAccess), 0u);
  nic_->bar_write(0, csr_offset(7), 1, 0xFF);
  nic_->bar_write(0, csr_offset(7), 2, 0xFFFF);
  nic_->bar_write(0, csr_offset(7) + 4, 4, 0xFFFF);
  EXPECT_EQ(nic_->bar_read(0, csr_offset(7), 4), kCsrs[7].reset);
  EXPECT_EQ(errors(GuestError::kRegisterAccess), 3u);
}

TEST_F(RegisterTest, BetweenAndBehindTheRegistersThereAreOnes) {
  const pci::GateHold hold(nic_->gate());
  EXPECT_EQ(nic_->bar_read(0, 4, 4), ~0u);
  EXPECT_EQ(nic_->bar_read(0, 2, 4), ~0u);
  EXPECT_EQ(nic_->bar_read(1, kCsrBytes, 4), ~0u);
  EXPECT_EQ(nic_->bar_read(1, 4095, 1), 0xFFu);
  nic_->bar_write(1, 4092, 4, 0);
}

TEST_F(RegisterTest, TheChipIsTheOneThatHyperVShows) {
  EXPECT_EQ(guest_.config_in(0x00, 4), 0x00091011u);
  EXPECT_EQ(guest_.config_in(0x08, 4), 0x02000020u);
  EXPECT_EQ(guest_.config_in(0x2C, 4), 0x21140A00u);
  EXPECT_EQ(guest_.config_in(0x3C, 4), 0x28140100u);
  guest_.config_out(0x10, 4, ~0u);
  guest_.config_out(0x14, 4, ~0u);
  EXPECT_EQ(guest_.config_in(0x10, 4), 0xFFFFFF81u);
  EXPECT_EQ(guest_.config_in(0x14, 4), 0xFFFFF000u);
  guest_.config_out(0x40, 4, 0x40000000);  // snooze, which Linux asks for
  EXPECT_EQ(guest_.config_in(0x40, 4), 0x40000000u);
}

TEST_F(RegisterTest, SoftwareResetKeepsThePortSelectAndTheListsAndIsOverAtOnce) {
  guest_.out(3, 0x1000);
  guest_.out(4, 0x2000);
  guest_.out(6, csr6::kPortSelect | csr6::kFullDuplex);
  guest_.out(7, 0x1FFFF);
  guest_.out(0, csr0::kSoftwareReset);
  EXPECT_EQ(guest_.in(0), kCsrs[0].reset);
  EXPECT_EQ(guest_.in(3), 0x1000u);
  EXPECT_EQ(guest_.in(4), 0x2000u);
  EXPECT_EQ(guest_.in(6), kCsrs[6].reset | csr6::kPortSelect);
  EXPECT_EQ(guest_.in(7), kCsrs[7].reset);
}

TEST_F(RegisterTest, HardwareResetForgetsEverything) {
  open(csr6::kPromiscuous);
  {
    const pci::GateHold hold(nic_->gate());
    nic_->reset();
  }
  for (const unsigned i : {0u, 3u, 4u, 5u, 6u, 7u, 8u})
    EXPECT_EQ(guest_.in(i), kCsrs[i].reset) << kCsrs[i].name;
  EXPECT_EQ(guest_.config_in(0x04, 2), 0u);
}

TEST_F(RegisterTest, PinsAreOutputsWhereTheDirectionSaysSoAndPulledUpElsewhere) {
  guest_.out(12, csr12::kControl | 0x0F);
  guest_.out(12, 0x05);
  EXPECT_EQ(guest_.in(12), 0xFFFFFEF5u);
  guest_.out(12, csr12::kControl | 0x00);
  EXPECT_EQ(guest_.in(12), 0xFFFFFEFFu);
}

TEST_F(RegisterTest, SummariesShowMaskedCausesButOnlyEnabledOnesInterrupt) {
  open(0, 0);
  guest_.send(frame_to(kOther));  // no interrupt asked: only "no buffer" of the next descriptor
  work();
  EXPECT_EQ(status() & 0x1FFFF, cause::kTransmitNoBuffer | cause::kNormalSummary);
  EXPECT_FALSE(line_.level);
  guest_.out(7, cause::kNormalSummary);  // a summary alone lets nothing through
  EXPECT_FALSE(line_.level);
  guest_.out(7, cause::kTransmitNoBuffer);  // a cause without its summary neither
  EXPECT_FALSE(line_.level);
  guest_.out(7, cause::kTransmitNoBuffer | cause::kAbnormalSummary);  // nor with the other one
  EXPECT_FALSE(line_.level);
  guest_.out(7, cause::kTransmitNoBuffer | cause::kNormalSummary);
  EXPECT_TRUE(line_.level);
}

TEST_F(RegisterTest, TheLineFallsWhenTheLastEnabledCauseIsAcknowledged) {
  open();
  deliver(frame_to(kMac));
  guest_.send(frame_to(kOther));
  work();
  EXPECT_EQ(line_.rises, 1u);
  guest_.out(5, cause::kReceive);
  EXPECT_TRUE(line_.level);
  guest_.out(5, cause::kNormalSummary);  // is no cause
  EXPECT_TRUE(line_.level);
  guest_.out(5, cause::kTransmitNoBuffer);
  EXPECT_FALSE(line_.level);
  EXPECT_EQ(status() & 0x1FFFF, 0u);
}

TEST_F(RegisterTest, AbnormalCausesHaveTheirOwnSummary) {
  open();
  guest_.out(6, guest_.in(6) & ~csr6::kStartReceive);
  EXPECT_EQ(status() & 0x1FFFF, cause::kReceiveStopped | cause::kAbnormalSummary);
  EXPECT_TRUE(line_.level);
  guest_.out(7, 0x1FFFF & ~cause::kAbnormalSummary);
  EXPECT_FALSE(line_.level);
}

TEST_F(RegisterTest, TheTimerInterruptsOnceOrAgainAndAgain) {
  guest_.out(7, cause::kTimer | cause::kNormalSummary);
  guest_.out(11, 2);
  reactor_->run_until([&] { return line_.level; });
  EXPECT_EQ(status() & 0x1FFFF, cause::kTimer | cause::kNormalSummary);
  EXPECT_EQ(guest_.in(11), kCsrs[11].reset);
  guest_.out(11, csr11::kContinuous | 1);
  for (int i = 0; i < 3; ++i) {
    guest_.out(5, cause::kTimer);
    reactor_->run_until([&] { return line_.level; });
  }
}

TEST_F(RegisterTest, TheTimersCountGoesDownInUnitsOfTheSpeed) {
  guest_.out(11, 0xFFFF);  // 13.4 s on the serial port
  const uint32_t count = guest_.in(11) & 0xFFFF;
  EXPECT_GT(count, 0x8000u);
  guest_.out(6, csr6::kPortSelect | csr6::kTransmitThresholdMode);  // four times as slow
  EXPECT_LE(guest_.in(11) & 0xFFFF, count / 4 + 1);
  guest_.out(11, 0);
  EXPECT_EQ(guest_.in(11), kCsrs[11].reset);
}

TEST_F(RegisterTest, ResetStopsTheTimer) {
  guest_.out(11, csr11::kContinuous | 0xFFFF);
  guest_.out(0, csr0::kSoftwareReset);
  EXPECT_EQ(guest_.in(11), kCsrs[11].reset);
}

}  // namespace
}  // namespace viridian::tulip
