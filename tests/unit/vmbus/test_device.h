// A device that records what happens to it, answers requests when told to, and keeps the packets
// that found the ring full; and the fixture that joins it with a server and a guest.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <string>
#include <vector>

#include "tests/fakes/fake_guest.h"
#include "vmbus/channel.h"
#include "vmbus/device.h"
#include "vmbus/server.h"

namespace viridian::vmbus {

constexpr Guid kTestType = "ba6163d9-04a1-4d29-b605-72e2ffb1dc7f"_guid;
constexpr Guid kTestInstance = "00000001-0000-8899-0000-000000000000"_guid;
constexpr Guid kOtherInstance = "00000002-0000-8899-0000-000000000000"_guid;

inline std::vector<std::byte> bytes_of(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

class TestDevice : public Device {
 public:
  struct Seen {
    uint16_t type;
    uint64_t transaction_id;
    std::vector<std::byte> payload;
    std::vector<GpaRange> ranges;
  };

  explicit TestDevice(Guid instance = kTestInstance, uint16_t max_sub_channels = 0)
      : instance_(instance), max_sub_channels_(max_sub_channels) {}

  OfferDescription offer() const override {
    OfferDescription description{.type = kTestType, .instance = instance_};
    description.user_defined[0] = 0x5A;
    description.max_sub_channels = max_sub_channels_;
    return description;
  }
  Result<void> open(Channel& channel) override {
    if (refuse_open) return fail(ErrorKind::kUnsupported, "no");
    channels.push_back(&channel);
    if (greet) channel.try_send(77, bytes_of("hello"), false);
    return {};
  }
  void doorbell(Channel& channel) noexcept override {
    ++doorbells;
    while (take != 0) {
      const Packet* packet = channel.peek();
      if (packet == nullptr) return;
      if (take > 0) --take;
      if (record) {
        seen.push_back({packet->type,
                        packet->transaction_id,
                        {packet->payload.begin(), packet->payload.end()},
                        {packet->ranges.begin(), packet->ranges.end()}});
      }
      if (echo) send(channel, packet->transaction_id, packet->payload);
      channel.consume();
    }
  }
  void writable(Channel& channel) noexcept override {
    ++writables;
    while (!unsent.empty()) {
      if (!channel.try_complete(unsent.front().first, unsent.front().second)) return;
      unsent.pop_front();
    }
  }
  void close(Channel& channel) noexcept override {
    ++closes;
    std::erase(channels, &channel);
    unsent.clear();
    if (hold_close) {
      closing.push_back(&channel);
    } else {
      channel.close_complete();
    }
  }
  void faulted(Channel&) noexcept override { ++faults; }
  void gpadl_torn_down(Channel&, uint32_t handle) noexcept override { torn_down.push_back(handle); }

  void send(Channel& channel, uint64_t transaction_id, std::span<const std::byte> payload) {
    if (!unsent.empty() || !channel.try_complete(transaction_id, payload)) {
      unsent.emplace_back(transaction_id, std::vector(payload.begin(), payload.end()));
    }
  }

  bool refuse_open = false, greet = false, echo = false, record = true, hold_close = false;
  int take = -1;  // packets to take, -1: all
  int doorbells = 0, writables = 0, closes = 0, faults = 0;
  std::vector<Channel*> channels, closing;
  std::vector<Seen> seen;
  std::vector<uint32_t> torn_down;
  std::deque<std::pair<uint64_t, std::vector<std::byte>>> unsent;

 private:
  Guid instance_;
  uint16_t max_sub_channels_;
};

struct Flag : io::Completion {
  Flag() : Completion([](Completion& self) noexcept { static_cast<Flag&>(self).set = true; }) {}
  bool set = false;
};

class VmbusTest : public testing::Test {
 protected:
  void TearDown() override {
    for (Channel* channel : device_.closing)
      channel->close_complete();
    reset();
  }
  void reset() {
    Flag done;
    server_.reset(done);
    reactor_->run_until([&] { return done.set; });
  }
  // Connects and returns the offers.
  std::vector<OfferChannel> connect(uint32_t version = kVersion5_3) {
    EXPECT_TRUE(guest_.contact(version));
    return guest_.request_offers();
  }
  std::unique_ptr<GuestChannel> connect_and_open(uint32_t out_pages = 8, uint32_t in_pages = 8) {
    EXPECT_TRUE(server_.offer(device_));
    EXPECT_EQ(connect().size(), 1u);
    auto channel = guest_.open(1, out_pages, in_pages);
    EXPECT_NE(channel, nullptr);
    guest_.settle();
    return channel;
  }
  uint64_t errors(ServerError error) const { return server_.errors().of(error); }

  std::unique_ptr<io::Reactor> reactor_ = std::move(*io::Reactor::create());
  FakeGuest guest_{*reactor_};
  TestDevice device_;
  Server server_{*reactor_, guest_.memory(), guest_};
  bool attached_ = (guest_.attach(server_), true);
};

}  // namespace viridian::vmbus
