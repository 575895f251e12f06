// A guest that gives the chip nonsense: its own NIC stops or goes on, nothing else happens.
#include "nic-21140/limits.h"
#include "tests/unit/nic-21140/nic_fixture.h"

namespace viridian::tulip {
namespace {

constexpr uint32_t kNothing = 0xF0000000;  // no memory there
constexpr uint32_t kOwnBar = 0xC0000000;   // where the bus would put BAR 1: no memory either
constexpr uint32_t kBoth = tdes1::kFirst | tdes1::kLast;

class HostileTest : public NicTest {
 protected:
  HostileTest() { open(); }

  void transmit_list_at(uint32_t at) {
    guest_.out(6, guest_.in(6) & ~csr6::kStartTransmit);
    guest_.out(4, at);
    guest_.out(6, guest_.in(6) | csr6::kStartTransmit);
    work();
  }
  void receive_list_at(uint32_t at) {
    guest_.out(6, guest_.in(6) & ~csr6::kStartReceive);
    guest_.out(3, at);
    guest_.out(6, guest_.in(6) | csr6::kStartReceive);
  }
  void expect_stopped(GuestError reason) {
    EXPECT_TRUE(nic_->failed());
    EXPECT_EQ(errors(reason), 1u);
    EXPECT_EQ(status() & cause::kFatalBusError, cause::kFatalBusError);
    EXPECT_EQ(csr5::ErrorBits::get(status()), csr5::kMasterAbort);
    EXPECT_EQ(receive_state(), 0u);
    EXPECT_EQ(transmit_state(), 0u);
    EXPECT_TRUE(nic_->arm());  // the worker may sleep
    guest_.send(frame_to(kOther));
    work();
    EXPECT_TRUE(sent_.empty());
    EXPECT_TRUE(deliver(frame_to(kMac)));
    // A reset makes the chip good again.
    open();
    EXPECT_FALSE(nic_->failed());
    guest_.send(frame_to(kOther));
    work();
    EXPECT_EQ(sent_.size(), 1u);
    EXPECT_TRUE(deliver(frame_to(kMac)));
    EXPECT_TRUE(guest_.receive());
  }
};

TEST_F(HostileTest, ATransmitListThatIsNoMemoryStopsTheChip) {
  transmit_list_at(kNothing);
  expect_stopped(GuestError::kTransmitListNotMemory);
}

TEST_F(HostileTest, ATransmitListAtTheEndOfMemoryStopsTheChip) {
  transmit_list_at(static_cast<uint32_t>(bytes_.size()) - 8);
  expect_stopped(GuestError::kTransmitListNotMemory);
}

TEST_F(HostileTest, AFrameFromTheChipsOwnRegistersStopsTheChip) {
  memory_.write(Gpa{0x6000}, Descriptor{kOwn, kBoth | 60, kOwnBar, 0});
  transmit_list_at(0x6000);
  expect_stopped(GuestError::kTransmitBufferNotMemory);
}

TEST_F(HostileTest, ASetupFrameFromNowhereStopsTheChip) {
  memory_.write(Gpa{0x6000}, Descriptor{kOwn, tdes1::kSetup | 192, kNothing, 0});
  transmit_list_at(0x6000);
  expect_stopped(GuestError::kTransmitBufferNotMemory);
}

TEST_F(HostileTest, AReceiveListThatIsNoMemoryStopsTheChip) {
  receive_list_at(kOwnBar);
  expect_stopped(GuestError::kReceiveListNotMemory);
}

TEST_F(HostileTest, AReceiveBufferInTheChipsOwnRegistersStopsTheChip) {
  memory_.write(Gpa{0x6000}, Descriptor{kOwn, 1536, kOwnBar, 0});
  receive_list_at(0x6000);
  EXPECT_TRUE(deliver(frame_to(kMac)));
  expect_stopped(GuestError::kReceiveBufferNotMemory);
}

TEST_F(HostileTest, AReceiveChainThatLeavesMemoryStopsTheChip) {
  memory_.write(Gpa{0x6000}, Descriptor{kOwn, kChained | 1536, 0x8000, kNothing});
  receive_list_at(0x6000);
  EXPECT_TRUE(deliver(frame_to(kMac)));
  expect_stopped(GuestError::kReceiveListNotMemory);
}

TEST_F(HostileTest, ADescriptorThatIsItsOwnNextIsSentOnce) {
  memory_.write(Gpa{0x7000}, frame_to(kOther));
  memory_.write(Gpa{0x6000}, Descriptor{kOwn, kBoth | kChained | 60, 0x7000, 0x6000});
  transmit_list_at(0x6000);
  EXPECT_EQ(sent_.size(), 1u);
  EXPECT_EQ(transmit_state(), 6u);
}

TEST_F(HostileTest, AFrameWhoseDataIsItsOwnDescriptorIsSentOnce) {
  memory_.write(Gpa{0x6000}, Descriptor{kOwn, kBoth | kEndOfRing | 64, 0x6000, 0});
  transmit_list_at(0x6000);
  EXPECT_EQ(sent_.size(), 1u);
}

TEST_F(HostileTest, AReceiveBufferThatIsItsOwnDescriptorDoesNoHarm) {
  memory_.write(Gpa{0x6000}, Descriptor{kOwn, kEndOfRing | 1536, 0x6000, 0});
  receive_list_at(0x6000);
  for (int i = 0; i < 3; ++i)
    deliver(frame_to(kMac));
  EXPECT_FALSE(nic_->failed());
}

// The list fills memory, and each part of it takes a bounded time.
TEST_F(HostileTest, AnEndlessFrameOfEmptySegmentsIsWalkedInPieces) {
  constexpr unsigned kCount = 4 * kDescriptorsPerPoll;
  for (unsigned i = 0; i < kCount; ++i)
    memory_.write(Gpa{0x80000 + 16 * i}, Descriptor{kOwn, i == 0 ? tdes1::kFirst : 0u, 0, 0});
  guest_.out(6, guest_.in(6) & ~csr6::kStartTransmit);
  guest_.out(4, 0x80000);
  guest_.out(6, guest_.in(6) | csr6::kStartTransmit);
  reactor_->run_until([&] { return !nic_->arm(); });
  std::array<rte_mbuf*, 64> frames;
  EXPECT_EQ(nic_->receive(frames), 0);
  EXPECT_FALSE(nic_->arm());  // there is more
  EXPECT_EQ(guest_.word(0x80000 + 16 * (kDescriptorsPerPoll - 1)).load(), 0u);
  EXPECT_EQ(guest_.word(0x80000 + 16 * kDescriptorsPerPoll).load(), kOwn);
  poll();
  EXPECT_TRUE(sent_.empty());
}

TEST_F(HostileTest, AFrameWithoutEndIsJabberAndStopsTheTransmitter) {
  for (unsigned i = 0; i < 8; ++i)
    memory_.write(Gpa{0x6000 + 16 * i},
                  Descriptor{kOwn, (i == 0 ? tdes1::kFirst : 0u) | 1000, 0x10000, 0});
  transmit_list_at(0x6000);
  EXPECT_TRUE(sent_.empty());
  EXPECT_EQ(guest_.word(0x6020).load(), tdes0::kJabberTimeout | tdes0::kErrorSummary);
  EXPECT_EQ(guest_.word(0x6030).load(), kOwn);
  EXPECT_EQ(transmit_state(), 0u);
  EXPECT_EQ(status() & (cause::kTransmitJabber | cause::kTransmitStopped),
            cause::kTransmitJabber | cause::kTransmitStopped);
  EXPECT_EQ(errors(GuestError::kFrameTooLong), 1u);
  // As Linux does: stop and start, and it goes on with what is next.
  guest_.out(6, guest_.in(6) & ~csr6::kStartTransmit);
  memory_.write(Gpa{0x7000}, frame_to(kOther));
  memory_.write(Gpa{0x6030}, Descriptor{kOwn, kBoth | kEndOfRing | 60, 0x7000, 0});
  guest_.word(0x6000).store(0);
  guest_.out(6, guest_.in(6) | csr6::kStartTransmit);
  work();
  EXPECT_EQ(sent_, std::vector<Bytes>{frame_to(kOther)});
}

TEST_F(HostileTest, AFrameThatIsTooShortForAHeaderIsDropped) {
  guest_.give(frame_to(kOther, 10), 1, tdes1::kNoPadding);
  guest_.out(1, 0);
  work();
  EXPECT_TRUE(sent_.empty());
  EXPECT_EQ(errors(GuestError::kFrameTooShort), 1u);
  EXPECT_EQ(guest_.transmits_pending(), 0u);
}

TEST_F(HostileTest, SegmentsInTheWrongOrderAreCountedAndGivenBack) {
  memory_.write(Gpa{0x7000}, frame_to(kOther));
  memory_.write(Gpa{0x6000}, Descriptor{kOwn, tdes1::kLast | 60, 0x7000, 0});   // no first
  memory_.write(Gpa{0x6010}, Descriptor{kOwn, tdes1::kFirst | 60, 0x7000, 0});  // no last
  memory_.write(Gpa{0x6020}, Descriptor{kOwn, kBoth | 60, 0x7000, 0});
  transmit_list_at(0x6000);
  EXPECT_EQ(sent_, std::vector<Bytes>{frame_to(kOther)});
  EXPECT_EQ(errors(GuestError::kStraySegment), 1u);
  EXPECT_EQ(errors(GuestError::kUnfinishedFrame), 1u);
}

TEST_F(HostileTest, ReceiveDescriptorsWithoutBuffersEndAFrame) {
  guest_.out(6, guest_.in(6) & ~csr6::kStartReceive);
  for (unsigned i = 0; i < 2 * kDescriptorsPerFrame; ++i)
    memory_.write(Gpa{0x80000 + 16 * i}, Descriptor{kOwn, 0, 0, 0});
  guest_.out(3, 0x80000);
  guest_.out(6, guest_.in(6) | csr6::kStartReceive);
  EXPECT_TRUE(deliver(frame_to(kMac)));
  EXPECT_EQ(errors(GuestError::kTooManyDescriptors), 1u);
  EXPECT_EQ(guest_.word(0x80000 + 16 * kDescriptorsPerFrame).load(), kOwn);
  EXPECT_FALSE(nic_->failed());
}

TEST_F(HostileTest, WithoutFreeFramesTheTransmitterWaits) {
  std::vector<rte_mbuf*> all(512);
  while (!all.empty() &&
         rte_pktmbuf_alloc_bulk(&shared_pool(), all.data(), static_cast<unsigned>(all.size())) != 0)
    all.pop_back();
  guest_.send(frame_to(kOther));
  reactor_->run_until([&] { return !nic_->arm(); });
  std::array<rte_mbuf*, 4> frames;
  // The transmitter may hold one from before, which it keeps for its next frame.
  uint16_t sent = nic_->receive(frames);
  for (rte_mbuf* frame : all)
    rte_pktmbuf_free(frame);
  EXPECT_EQ(sent, 0);
  EXPECT_EQ(guest_.transmits_pending(), 1u);
  poll();
  EXPECT_EQ(sent_.size(), 1u);
}

}  // namespace
}  // namespace viridian::tulip
