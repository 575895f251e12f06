// A guest on its own thread against the reactor's: no request is lost, whoever sleeps is woken, and
// ThreadSanitizer finds every access to shared memory ordered.
#include <numeric>
#include <thread>

#include "tests/unit/vmbus/test_device.h"

namespace viridian::vmbus {
namespace {

class EchoDevice final : public TestDevice {
 public:
  EchoDevice() {
    echo = true;
    record = false;
  }
};

// Runs the reactor on one thread and `guest` on another until the guest is done.
template <class Body>
void run_both(Body&& guest_body) {
  const auto reactor = std::move(*io::Reactor::create());
  FakeGuest guest(*reactor, FakeGuest::Threads::kOwnThread);
  EchoDevice device;
  Server server(*reactor, guest.memory(), guest);
  guest.attach(server);
  ASSERT_TRUE(server.offer(device));
  Flag done;
  std::thread thread([&] {
    guest_body(guest);
    reactor->post(done);
  });
  reactor->run_until([&] { return done.set; });
  thread.join();
  Flag reset;
  server.reset(reset);
  reactor->run_until([&] { return reset.set; });
  EXPECT_EQ(server.errors().total(), 0u);
}

// What hv_vmbus does on an interrupt: mask, take all, unmask, look again.
template <class Take>
void receive_all(GuestChannel& channel, Take&& take) {
  do {
    channel.mask(true);
    while (const GuestPacket* packet = channel.receive())
      take(*packet);
    channel.end_receive();
    channel.mask(false);
  } while (channel.has_packets());
}

void exchange(FakeGuest& guest, uint32_t out_pages, uint32_t in_pages, uint64_t depth,
              uint64_t total) {
  ASSERT_NE(guest.connect(), 0u);
  ASSERT_EQ(guest.request_offers().size(), 1u);
  auto channel = guest.open(1, out_pages, in_pages);
  ASSERT_NE(channel, nullptr);
  std::vector<std::byte> payload(120);
  uint64_t sent = 0;
  uint64_t received = 0;
  while (received < total) {
    const uint64_t seen = guest.interrupts();
    guest.take_event(0, 1);
    receive_all(*channel, [&](const GuestPacket& packet) {
      ASSERT_EQ(packet.descriptor.transaction_id.get(), received);
      ASSERT_EQ(packet.payload[0], static_cast<std::byte>(received));
      ++received;
    });
    bool full = false;
    while (!full && sent < total && sent - received < depth) {
      payload[0] = static_cast<std::byte>(sent);
      full = !channel->send(sent, payload);
      sent += full ? 0 : 1;
    }
    if (full && sent == received) std::this_thread::yield();
    // Sleeps as an idle vCPU: only an interrupt goes on, so a lost one is a hang of the test.
    if (sent > received && (full || sent == total || sent - received == depth)) {
      guest.wait_interrupt(seen);
    }
  }
  channel->close();
  guest.unload();
}

TEST(Threads, OneRequestAtATimeIsAlwaysWokenAndAnswered) {
  run_both([](FakeGuest& guest) { exchange(guest, 4, 4, 1, 3000); });
}

TEST(Threads, DeepQueueKeepsItsOrder) {
  run_both([](FakeGuest& guest) { exchange(guest, 32, 32, 64, 20000); });
}

TEST(Threads, RingsThatAreFullBothWaysStillMakeProgress) {
  run_both([](FakeGuest& guest) { exchange(guest, 2, 2, 1000, 20000); });
}

TEST(Threads, ConnectionsComeAndGo) {
  run_both([](FakeGuest& guest) {
    for (int i = 0; i < 20; ++i)
      exchange(guest, 2, 2, 8, 50);
  });
}

}  // namespace
}  // namespace viridian::vmbus
