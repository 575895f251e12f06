// Two guests on threads of their own, their NICs' worker on a third: what the thread sanitizer is
// to see, and that nothing waits for a wake-up that was lost.
#include <thread>

#include "tests/fakes/patch_cable.h"
#include "tests/unit/nic-21140/nic_fixture.h"

namespace viridian::tulip {
namespace {

constexpr unsigned kFrames = 2000;

class QuietLine final : public pci::InterruptLine {
 public:
  void set(bool asserted) noexcept override {
    level_.store(asserted);
    level_.notify_all();
  }
  void wait() { level_.wait(false); }

 private:
  std::atomic<bool> level_{false};
};

struct Side {
  Side(io::Reactor& reactor, const MacAddress& own) : mac(own) {
    EXPECT_TRUE(memory.add_region(Gpa{0}, bytes));
    nic = std::move(*Nic::create(reactor, memory, line, shared_pool(), {.mac = own}));
    guest.emplace(*nic, memory);
  }
  MacAddress mac;
  std::vector<std::byte> bytes = std::vector<std::byte>(1 << 20);
  GuestMemory memory;
  QuietLine line;
  std::unique_ptr<Nic> nic;
  std::optional<FakeTulip> guest;
};

class ThreadsTest : public testing::Test {
 protected:
  static constexpr MacAddress kLeft = {0, 0x15, 0x5D, 0, 0, 1}, kRight = {0, 0x15, 0x5D, 0, 0, 2};

  ThreadsTest() {
    shared_pool();
    reactor_->attach(cable_);
    left_.nic->start();
    right_.nic->start();
    worker_ = std::jthread([this](const std::stop_token& stop) {
      const vswitch::DpdkThread registered;
      reactor_->run(stop);
      reactor_->detach(cable_);
      left_.nic->stop();
      right_.nic->stop();
      reactor_->run_until([&] { return left_.nic->stopped() && right_.nic->stopped(); });
    });
  }
  ~ThreadsTest() override {
    worker_.request_stop();
    worker_.join();
    EXPECT_TRUE(may_drop_ || cable_.dropped == 0);
  }

  // The worker takes the setup frame some time after open(): before, the filter lets nothing in.
  static void open(Side& side) {
    side.guest->open(side.mac, 0, cause::kReceive | cause::kNormalSummary);
    while (side.nic->statistics().setup_frames.get() == 0)
      std::this_thread::yield();
  }

  // Each frame is answered before the next is sent, so no frame may get lost.
  static void ping(Side& side, const MacAddress& peer) {
    for (unsigned i = 0; i < kFrames; ++i) {
      const Bytes frame = frame_to(peer, 60 + i % 1400, static_cast<uint8_t>(i));
      side.guest->send(frame);
      EXPECT_EQ(await(side), frame_to(side.mac, 60 + i % 1400, static_cast<uint8_t>(i)));
    }
  }
  static void pong(Side& side, const MacAddress& peer) {
    for (unsigned i = 0; i < kFrames; ++i) {
      Bytes frame = await(side);
      for (unsigned j = 0; j < 6; ++j)
        frame[j] = static_cast<std::byte>(peer[j]);
      side.guest->send(frame);
    }
  }
  static Bytes await(Side& side) {
    for (;;) {
      side.guest->out(5, cause::kReceive | cause::kReceiveNoBuffer);
      if (auto frame = side.guest->receive()) return *frame;
      side.line.wait();
      side.guest->out(5, cause::kTransmitNoBuffer);
    }
  }

  std::unique_ptr<io::Reactor> reactor_ = std::move(*io::Reactor::create());
  Side left_{*reactor_, kLeft}, right_{*reactor_, kRight};
  vswitch::PatchCable cable_{*left_.nic, *right_.nic};
  bool may_drop_ = false;
  std::jthread worker_;
};

TEST_F(ThreadsTest, TwoGuestsAnswerEachOtherFrameByFrame) {
  open(left_);
  open(right_);
  std::jthread second([this] { pong(right_, kLeft); });
  ping(left_, kRight);
}

TEST_F(ThreadsTest, GuestsThatResetTheirChipsUnderTrafficDisturbNobody) {
  may_drop_ = true;
  const auto hammer = [](Side& side, const MacAddress& peer) {
    for (unsigned i = 0; i < 100; ++i) {
      side.guest->open(side.mac, i % 2 == 0 ? csr6::kPromiscuous : 0);
      for (unsigned j = 0; j < 20; ++j) {
        side.guest->send(frame_to(peer));
        side.guest->receive();
        side.guest->read_phy(kPhyAddress, 1);
        side.guest->out(11, j);
      }
      side.nic->set_link(i % 3 != 0);
      side.guest->out(0, csr0::kSoftwareReset);
    }
    side.nic->set_link(true);
  };
  std::jthread second([&] { hammer(right_, kLeft); });
  hammer(left_, kRight);
}

}  // namespace
}  // namespace viridian::tulip
