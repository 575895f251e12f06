// A boot ROM's driver, after iPXE: few descriptors, interrupts off, one frame at a time. It stops
// the transmitter, points CSR4 at its one descriptor, starts again and waits for the owner bit.
#include "tests/unit/nic-21140/nic_fixture.h"

namespace viridian::tulip {
namespace {

constexpr uint32_t kTransmitList = 0x1000, kReceiveList = 0x1100, kBuffers = 0x10000;
constexpr uint32_t kReceiveDescriptors = 4, kBufferBytes = 1536;

class PolledDriverTest : public NicTest {
 protected:
  PolledDriverTest() {
    guest_.config_out(pci::reg::kCommand, 2, 5);
    guest_.out(6, 0);
    guest_.out(0, 1);
    guest_.out(0, 0x01A08000);
    for (uint32_t i = 0; i < kReceiveDescriptors; ++i) {
      const uint32_t end = i == kReceiveDescriptors - 1 ? kEndOfRing : 0;
      memory_.write(Gpa{kReceiveList + 16 * i},
                    Descriptor{kOwn, kBufferBytes | end, kBuffers + i * kBufferBytes, 0});
    }
    guest_.out(3, kReceiveList);
    guest_.out(7, 0);
    const std::array<std::array<uint8_t, 6>, 2> addresses = {kMac, kBroadcast};
    memory_.write(Gpa{0x2000}, FakeTulip::perfect(addresses));
    transmit_and_wait(0x08000000 | 192, 0x2000);
    guest_.out(6, mode() | csr6::kStartReceive);
  }

  uint32_t mode() { return (guest_.in(6) & ~0x40u) | csr6::kPassAllMulticast; }

  void transmit_and_wait(uint32_t control, uint32_t buffer) {
    guest_.out(6, mode() & ~csr6::kStartTransmit);
    memory_.write(Gpa{kTransmitList}, Descriptor{kOwn, control, buffer, kTransmitList + 16});
    memory_.write(Gpa{kTransmitList + 16}, Descriptor{0, kEndOfRing, 0, kTransmitList});
    guest_.out(4, kTransmitList);
    guest_.out(6, mode() | csr6::kStartTransmit);
    guest_.out(1, 0);
    reactor_->run_until([&] {
      poll();
      return (guest_.word(kTransmitList).load(std::memory_order_acquire) & kOwn) == 0;
    });
    guest_.out(6, mode() & ~csr6::kStartTransmit);
  }

  std::optional<Bytes> poll_receive() {
    const uint32_t at = kReceiveList + 16 * next_;
    const uint32_t status = guest_.word(at).load(std::memory_order_acquire);
    if ((status & kOwn) != 0) return std::nullopt;
    const auto bytes =
        *memory_.window(Gpa{kBuffers + next_ * kBufferBytes}, (status >> 16 & 0x3FFF) - 4);
    Bytes frame(bytes.begin(), bytes.end());
    guest_.word(at).store(kOwn, std::memory_order_release);
    next_ = (next_ + 1) % kReceiveDescriptors;
    return frame;
  }

 private:
  uint32_t next_ = 0;
};

TEST_F(PolledDriverTest, FramesGoOutAndComeInWithoutAnInterrupt) {
  for (uint8_t i = 0; i < 20; ++i) {
    memory_.write(Gpa{0x3000}, frame_to(kBroadcast, 200, i));
    transmit_and_wait(0x60000000 | 200, 0x3000);
    ASSERT_EQ(sent_.size(), i + 1u);
    EXPECT_EQ(sent_.back(), frame_to(kBroadcast, 200, i));
    deliver(frame_to(kMac, 300, i));
    deliver(frame_to(kGroup, 100, i));
    EXPECT_EQ(poll_receive(), frame_to(kMac, 300, i));
    EXPECT_EQ(poll_receive(), frame_to(kGroup, 100, i));
    EXPECT_EQ(poll_receive(), std::nullopt);
  }
  EXPECT_EQ(line_.rises, 0u);
  EXPECT_EQ(nic_->statistics().errors.total(), 0u);
}

}  // namespace
}  // namespace viridian::tulip
