// The guest's driver on a thread of its own against the reactor's: whoever sleeps is woken, at
// every depth, whether the channel polls or asks for doorbells. A lost wake-up hangs the test.
#include <thread>

#include "tests/unit/storvsp/storvsp_fixture.h"

namespace viridian::storvsp {
namespace {

class ThreadsTest : public testing::Test {
 protected:
  // Runs the reactor here and `guest_body` on another thread until that ends.
  template <class Body>
  void run_both(Body&& guest_body) {
    guest_.attach(server_);
    ASSERT_TRUE(controller_.add_disk(0, ram_));
    ASSERT_TRUE(server_.offer(controller_));
    Flag over, reset;
    std::thread thread([&] {
      guest_body();
      reactor_->post(over);
    });
    reactor_->run_until([&] { return over.ran; });
    thread.join();
    server_.reset(reset);
    reactor_->run_until([&] { return reset.ran; });
    for (int i = 0; i < 20; ++i)
      reactor_->turn(false);
  }

  // `total` reads, at most `depth` of them under way; sleeps when there is nothing to do.
  void read_many(uint64_t depth, uint64_t total) {
    ASSERT_NE(guest_.connect(), 0u);
    const auto offers = guest_.request_offers();
    ASSERT_EQ(offers.size(), 1u);
    FakeStorvsc driver(guest_, guest_.open(offers[0].relid, 8, 4));
    ASSERT_TRUE(driver.initialize());
    const auto pfns = guest_.alloc_pages(1);
    vmbus::GuestChannel& channel = driver.channel();
    uint64_t sent = 0, received = 0;
    while (received < total) {
      const uint64_t seen = guest_.interrupts();
      guest_.take_event(0, channel.relid());
      do {
        channel.mask(true);
        while (const vmbus::GuestPacket* packet = channel.receive()) {
          const auto answer = read_wire<SrbPacket>(packet->payload);
          ASSERT_TRUE(answer);
          ASSERT_EQ(answer->srb.srb_status, srb_status::kSuccess);
          ++received;
        }
        channel.end_receive();
        channel.mask(false);
      } while (channel.has_packets());
      while (sent < total && sent - received < depth && driver.send(sent + 1, read10(0, 1), pfns))
        ++sent;
      if (sent > received) guest_.wait_interrupt(seen);
    }
    EXPECT_EQ(sent, total);
  }

  std::unique_ptr<io::Reactor> reactor_ = std::move(*io::Reactor::create());
  io::RamDisk ram_{*reactor_, 64};
  vmbus::FakeGuest guest_{*reactor_, vmbus::FakeGuest::Threads::kOwnThread};
  Controller controller_{*reactor_, scsi_identity(0, 0)};
  vmbus::Server server_{*reactor_, guest_.memory(), guest_};
};

TEST_F(ThreadsTest, OneReadAtATimeIsAlwaysAnswered) {
  run_both([&] { read_many(1, 3000); });
  EXPECT_EQ(controller_.statistics().requests.get(), 3000u);
}

TEST_F(ThreadsTest, FewReadsAtATimeAreAlwaysAnswered) {
  run_both([&] { read_many(3, 5000); });
}

TEST_F(ThreadsTest, ManyReadsAtATimeAreAlwaysAnswered) {
  run_both([&] { read_many(32, 30'000); });
}

TEST_F(ThreadsTest, MoreReadsThanTheRingsHoldAreAlwaysAnswered) {
  run_both([&] { read_many(600, 30'000); });
}

}  // namespace
}  // namespace viridian::storvsp
