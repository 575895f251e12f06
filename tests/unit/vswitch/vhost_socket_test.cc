// Front ends of a vhost-user port that come, go, come back, and say what makes no sense.
#include <fcntl.h>
#include <sys/eventfd.h>

#include <atomic>
#include <fstream>

#include "tests/unit/vswitch/vhost_fixture.h"
#include "vswitch/virtual_switch.h"

namespace viridian::vswitch {
namespace {

namespace vhost_request = fakes::vhost_request;
using fakes::FakeVhostGuest;

class VhostSocketTest : public VhostFixture {
 protected:
  void expect_service() {
    wait_until([&] { return carrier(); });
    guest_.offer(1);
    guest_.give(numbered_frame(200));
    EXPECT_EQ(taken(), numbered_frame(200));
    ASSERT_TRUE(give(numbered_frame(300)));
    EXPECT_EQ(arrived().bytes, numbered_frame(300));
  }
  std::string refusal(const std::string& path) {
    const auto port = VhostPort::create(worker_->reactor(), pool_.get(), {.socket = path});
    return port ? "" : port.error().message;
  }
};

TEST_F(VhostSocketTest, WithoutAFrontEndNothingIsTakenAndNothingComes) {
  port_ = open(path());
  EXPECT_FALSE(carrier());
  EXPECT_FALSE(give(numbered_frame(60)));
  rte_mbuf* frame = nullptr;
  worker_->call([&] { EXPECT_EQ(port_->receive({&frame, 1}), 0); });
}

TEST_F(VhostSocketTest, FrontEndThatIsKilledMayComeBack) {
  listen_and_connect();
  for (int i = 0; i < 20; ++i) {
    expect_service();
    guest_.give(numbered_frame(60));  // some of what it sent is still there
    guest_.hang_up();
    wait_until([&] { return !carrier(); });
    EXPECT_FALSE(give(numbered_frame(60)));
    worker_->call([&] {
      rte_mbuf* left = nullptr;
      while (port_->receive({&left, 1}) == 1)
        rte_pktmbuf_free(left);
    });
    ASSERT_TRUE(guest_.connect(path()));
    guest_.start(kAllFeatures);
  }
  expect_service();
}

TEST_F(VhostSocketTest, GuestThatRestartsIsServedAgain) {
  open_and_connect();
  for (int i = 0; i < 20; ++i) {
    guest_.stop();
    guest_.start(i % 2 == 0 ? fakes::kVhostMergeable : kAllFeatures);
    expect_service();
  }
}

TEST_F(VhostSocketTest, SecondFrontEndDoesNotDisturbTheFirst) {
  listen_and_connect();
  FakeVhostGuest second;
  ASSERT_TRUE(second.connect(path()));
  second.start(kAllFeatures);
  second.offer(1);
  second.give(numbered_frame(99));
  expect_service();
  second.hang_up();
  expect_service();
}

TEST_F(VhostSocketTest, ConnectsAsAClientWheneverTheOtherEndListens) {
  port_ = open(path(), true);
  EXPECT_FALSE(carrier());
  ASSERT_TRUE(guest_.listen(path()));
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(guest_.accept());
    guest_.start(kAllFeatures);
    expect_service();
    guest_.hang_up();
    wait_until([&] { return !carrier(); });
  }
}

TEST_F(VhostSocketTest, RingWithoutEntriesEndsTheConnection) {
  connect(port_, guest_, path());
  fakes::VhostRingState state = {};
  ASSERT_TRUE(guest_.send(vhost_request::kSetRingSize, state));
  EXPECT_TRUE(guest_.hung_up());
  ASSERT_TRUE(guest_.accept());
  guest_.start(kAllFeatures);
  expect_service();
}

TEST_F(VhostSocketTest, RingThatChangesItsSizeWhileItRunsEndsTheConnection) {
  open_and_connect();
  fakes::VhostRingState state = {};
  state.value = 32768;
  ASSERT_TRUE(guest_.send(vhost_request::kSetRingSize, state));
  EXPECT_TRUE(guest_.hung_up());
  wait_until([&] { return !carrier(); });
}

TEST_F(VhostSocketTest, FeaturesThatChangeWhileItRunsEndTheConnection) {
  open_and_connect();
  le64 features = {};
  features = uint64_t{1} << 32;
  ASSERT_TRUE(guest_.send(vhost_request::kSetFeatures, features));
  EXPECT_TRUE(guest_.hung_up());
  wait_until([&] { return !carrier(); });
}

TEST_F(VhostSocketTest, DoorbellThatIsExchangedIsListenedTo) {
  open_and_connect();
  expect_service();
  const UniqueFd bell(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  le64 queue = {};
  queue = 1;
  ASSERT_TRUE(guest_.send(vhost_request::kSetRingKick, queue, bell.get()));
  guest_.ask(vhost_request::kGetFeatures);
  worker_->call([&] { EXPECT_TRUE(port_->arm()); });
  ::eventfd_write(bell.get(), 1);
  eventfd_t rings = 0;
  // The worker takes the ring away, which proves that it listens.
  wait_until([&] { return ::eventfd_read(bell.get(), &rings) != 0 || (carrier(), false); });
  expect_service();
}

TEST_F(VhostSocketTest, DoorbellThatIsNoEventIsNone) {
  connect(port_, guest_, path());
  const UniqueFd zeroes(::open("/dev/zero", O_RDONLY | O_CLOEXEC));
  guest_.start(kAllFeatures, zeroes.get());
  EXPECT_FALSE(carrier());
  guest_.hang_up();
  ASSERT_TRUE(guest_.accept());
  guest_.start(kAllFeatures);
  expect_service();
}

// rte_vhost has unmapped the memory then, and not the rings in it.
TEST_F(VhostSocketTest, MemoryThatCannotBeMappedIsNotTouched) {
  open_and_connect();
  for (int i = 0; i < 50; ++i) {
    guest_.offer(1);
    fakes::VhostMemory memory = {};
    memory.region_count = 1;
    memory.bytes = uint64_t{1} << 50;
    const UniqueFd file(::open("/dev/zero", O_RDONLY | O_CLOEXEC));
    ASSERT_TRUE(guest_.send(vhost_request::kSetMemTable, memory, file.get()));
    for (int j = 0; j < 50; ++j) {
      worker_->call([&] { port_->arm(); });
      give(numbered_frame(60));
    }
    EXPECT_TRUE(guest_.hung_up());
    ASSERT_TRUE(guest_.accept());
    guest_.start(kAllFeatures);
    wait_until([&] { return carrier(); });
  }
  worker_->call([&] {
    rte_mbuf* left = nullptr;
    while (port_->receive({&left, 1}) == 1)
      rte_pktmbuf_free(left);
  });
  expect_service();
}

// As when memory is plugged into a guest that sends and receives.
TEST_F(VhostSocketTest, MemoryThatChangesUnderLoadEndsNothing) {
  open_and_connect();
  rte_mbuf* frame = mbuf_of(pool_.get(), numbered_frame(60));
  std::atomic<bool> done{false};
  std::thread load([&] {
    while (!done.load()) {
      worker_->call([&] {
        for (int i = 0; i < 100; ++i) {
          rte_mbuf* got = nullptr;
          port_->transmit({&frame, 1});
          if (port_->receive({&got, 1}) == 1) rte_pktmbuf_free(got);
        }
      });
    }
  });
  for (uint64_t i = 1; i <= 300; ++i) {
    guest_.share_memory(i % 2 * 4096);
    EXPECT_NE(guest_.ask(vhost_request::kGetFeatures), 0U) << "hung up after " << i;
    if (HasFailure()) break;
  }
  done.store(true);
  load.join();
  rte_pktmbuf_free(frame);
  expect_service();
}

TEST_F(VhostSocketTest, MemoryThatComesPageByPageIsRefused) {
  open_and_connect();
  ASSERT_TRUE(guest_.send_bytes(29, nullptr, 0));  // VHOST_USER_POSTCOPY_LISTEN
  EXPECT_TRUE(guest_.hung_up());
}

TEST_F(VhostSocketTest, RandomMessagesDisturbNobodyElse) {
  open_and_connect();
  const std::string other_path = folder_.file("other.sock");
  FakeVhostGuest hostile;
  std::unique_ptr<VhostPort> other;
  connect(other, hostile, other_path);
  uint32_t random = 1;
  const auto next = [&] { return random = random * 1664525 + 1013904223; };
  for (int i = 0; i < 300; ++i) {
    if (i % 3 == 0) hostile.start(kAllFeatures);
    std::array<uint32_t, 16> payload{};
    for (int j = 0; j < 4; ++j) {
      for (uint32_t& word : payload)
        word = next() % 5 == 0 ? next() : next() % 3;
      hostile.send_bytes(next() >> 8 & 31, payload.data(), next() >> 8 & 63,
                         next() % 4 == 0 ? 0 : -1);
      worker_->call([&] { other->arm(); });
    }
    hostile.hang_up();
    ASSERT_TRUE(hostile.accept());
  }
  expect_service();
  close(other);
}

TEST_F(VhostSocketTest, WhatCannotBeOpenedIsNamed) {
  port_ = open(path());
  EXPECT_NE(refusal(path()).find(path() + " is served by another process"), std::string::npos);
  EXPECT_NE(refusal("").find("must have 1 to 107 bytes"), std::string::npos);
  EXPECT_NE(refusal("/nowhere/at/all").find("/nowhere/at/all"), std::string::npos);
  const std::string file = folder_.file("plain");
  std::ofstream(file) << "mine";
  EXPECT_NE(refusal(file).find("is no socket"), std::string::npos);
  EXPECT_EQ(::access(file.c_str(), F_OK), 0);
}

TEST_F(VhostSocketTest, SocketThatNobodyServesIsReplaced) {
  {
    FakeVhostGuest gone;
    ASSERT_TRUE(gone.listen(path()));
  }
  ASSERT_EQ(::access(path().c_str(), F_OK), 0);
  listen_and_connect();
  expect_service();
  close(port_);
  EXPECT_NE(::access(path().c_str(), F_OK), 0);
}

// Guests that come, send, and go as they like, while the switch moves their frames and the ports
// themselves come and go.
TEST_F(VhostSocketTest, GuestsAndPortsComeAndGoUnderTraffic) {
  constexpr int kRounds = 3;
  std::array<std::string, 2> paths = {folder_.file("a.sock"), folder_.file("b.sock")};
  std::array<std::unique_ptr<VhostPort>, 2> ports;
  VirtualSwitch bridge({}, pool_.get());
  std::atomic<bool> done{false};
  std::atomic<int> rounds{0};
  std::array<std::thread, 2> guests;
  std::optional<DpdkThread> registration;
  worker_->call([&] {
    registration.emplace();
    worker_->reactor().attach(bridge);
  });
  for (size_t i = 0; i < 2; ++i) {
    guests[i] = std::thread([&, i] {
      while (!done.load()) {
        FakeVhostGuest guest;
        if (!guest.connect(paths[i])) {
          std::this_thread::yield();
          continue;
        }
        guest.start(kAllFeatures);
        guest.offer(100);
        Bytes frame = numbered_frame(400);
        frame[6] = 2;
        frame[11] = static_cast<uint8_t>(i + 1);
        for (int j = 0; j < 50; ++j)
          guest.give(frame);
        fakes::VhostFrame got;
        while (guest.take(got))
          EXPECT_EQ(got.bytes.size(), 400U);
        if (rounds.load() % 2 == 0) guest.stop();
        rounds.fetch_add(1);
      }
    });
  }
  for (int round = 0; round < kRounds; ++round) {
    std::array<PortId, 2> ids{};
    for (size_t i = 0; i < 2; ++i) {
      ports[i] = open(paths[i]);
      worker_->call([&] {
        PortSettings settings;
        settings.name = i == 0 ? "a" : "b";
        ids[i] = *bridge.add_port(*ports[i], settings);
      });
    }
    const int before = rounds.load();
    wait_until([&] { return rounds.load() >= before + 30; });
    worker_->call([&] {
      for (size_t i = 0; i < 2; ++i) {
        bridge.remove_port(ids[i]);
        ports[i]->close();
      }
    });
    ports = {};
  }
  done.store(true);
  for (std::thread& guest : guests)
    guest.join();
  worker_->call([&] {
    worker_->reactor().detach(bridge);
    registration.reset();
  });
}

}  // namespace
}  // namespace viridian::vswitch
