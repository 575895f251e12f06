// One open channel: packets both ways, full rings, masks and doorbells, hostile packets.
#include "vmbus/channel.h"

#include <algorithm>
#include <numeric>

#include "tests/unit/vmbus/test_device.h"

namespace viridian::vmbus {
namespace {

class ChannelTest : public VmbusTest {
 protected:
  bool is_masked(GuestChannel& channel) {
    return channel.outgoing().word(control::kInterruptMask).load() != 0;
  }
  // A GPA-direct packet with `ranges` (GpaRangeHeader and PFNs as 64-bit words) and no payload.
  static std::vector<std::byte> gpa_direct(uint32_t range_count,
                                           const std::vector<uint64_t>& words) {
    std::vector<std::byte> packet(24 + words.size() * 8);
    const auto length8 = static_cast<uint16_t>(packet.size() / 8);
    write_wire(packet, PacketDescriptor{packet_type::kDataUsingGpaDirect, length8, length8,
                                        uint16_t{1}, uint64_t{1}});
    write_wire(packet, GpaDirectHeader{0u, range_count}, 16);
    for (size_t i = 0; i < words.size(); ++i)
      write_wire(packet, le64(words[i]), 24 + i * 8);
    return packet;
  }
  static uint64_t range_word(uint32_t byte_count, uint32_t byte_offset) {
    return uint64_t{byte_offset} << 32 | byte_count;
  }
};

TEST_F(ChannelTest, InBandPacketArrivesAndItsCompletionComesBack) {
  auto channel = connect_and_open();
  device_.echo = true;
  ASSERT_TRUE(channel->send(42, bytes_of("question")));
  guest_.settle();
  ASSERT_EQ(device_.seen.size(), 1u);
  EXPECT_EQ(device_.seen[0].payload, bytes_of("question"));
  const GuestPacket* packet = channel->receive_one();
  ASSERT_NE(packet, nullptr);
  EXPECT_EQ(packet->descriptor.type.get(), packet_type::kCompletion);
  EXPECT_EQ(packet->descriptor.transaction_id.get(), 42u);
  EXPECT_TRUE(std::ranges::equal(packet->payload, bytes_of("question")));
}

TEST_F(ChannelTest, PayloadIsPaddedToEightBytes) {
  auto channel = connect_and_open();
  ASSERT_TRUE(channel->send(1, bytes_of("five!")));
  guest_.settle();
  auto padded = bytes_of("five!");
  padded.resize(8);
  EXPECT_EQ(device_.seen.at(0).payload, padded);
}

TEST_F(ChannelTest, GpaDirectRangesAreCopiedAndNeighboursJoined) {
  auto channel = connect_and_open();
  const std::vector<uint64_t> pfns = {20, 21, 22, 40, 41};
  ASSERT_TRUE(channel->send_gpa_direct(3, 100, 4 * kPageBytes, pfns, bytes_of("command!")));
  guest_.settle();
  ASSERT_EQ(device_.seen.size(), 1u);
  EXPECT_EQ(device_.seen[0].payload, bytes_of("command!"));
  const auto& ranges = device_.seen[0].ranges;
  ASSERT_EQ(ranges.size(), 2u);
  EXPECT_EQ(to_u64(ranges[0].base), 20 * kPageBytes + 100);
  EXPECT_EQ(ranges[0].length, 3 * kPageBytes - 100);
  EXPECT_EQ(to_u64(ranges[1].base), 40 * kPageBytes);
  EXPECT_EQ(ranges[1].length, kPageBytes + 100);
}

TEST_F(ChannelTest, SeveralRangesFollowEachOther) {
  auto channel = connect_and_open();
  channel->send_raw(gpa_direct(2, {range_word(10, 5), 9, range_word(20, 0), 11}));
  guest_.settle();
  const auto& ranges = device_.seen.at(0).ranges;
  ASSERT_EQ(ranges.size(), 2u);
  EXPECT_EQ(ranges[0].length, 10u);
  EXPECT_EQ(to_u64(ranges[1].base), 11 * kPageBytes);
}

TEST_F(ChannelTest, TransferPagesCarryTheirRanges) {
  auto channel = connect_and_open();
  const std::array<TransferRange, 2> ranges = {{{100u, 0u}, {200u, 1728u}}};
  ASSERT_TRUE(
      device_.channels[0]->try_send_transfer_pages(6, 0xcafe, ranges, bytes_of("rndis...")));
  device_.channels[0]->flush();
  const GuestPacket* packet = channel->receive_one();
  ASSERT_NE(packet, nullptr);
  EXPECT_EQ(packet->descriptor.type.get(), packet_type::kDataUsingTransferPages);
  const auto header = *read_wire<TransferPagesHeader>(packet->header);
  EXPECT_EQ(header.set_id.get(), 0xcafe);
  ASSERT_EQ(header.range_count.get(), 2u);
  EXPECT_EQ(read_wire<TransferRange>(packet->header, 16)->byte_offset.get(), 1728u);
  EXPECT_TRUE(std::ranges::equal(packet->payload, bytes_of("rndis...")));
}

TEST_F(ChannelTest, ScatteredRingsCarryEveryLengthUnchanged) {
  ASSERT_TRUE(server_.offer(device_));
  connect();
  auto channel = guest_.open(1, 4, 4, 0, FakeGuest::Layout::kScattered);
  ASSERT_NE(channel, nullptr);
  device_.echo = true;
  device_.record = false;
  std::vector<std::byte> payload;
  for (uint64_t i = 0; i < 3000; ++i) {
    payload.resize(8 * (i % 300));
    std::fill(payload.begin(), payload.end(), static_cast<std::byte>(i));
    ASSERT_TRUE(channel->send(i, payload));
    guest_.settle();
    const GuestPacket* packet = channel->receive_one();
    ASSERT_NE(packet, nullptr) << i;
    ASSERT_EQ(packet->descriptor.transaction_id.get(), i);
    ASSERT_TRUE(std::ranges::equal(packet->payload, payload)) << i;
  }
}

// --- masks and signals ---------------------------------------------------------------------------

TEST_F(ChannelTest, OneDoorbellAndOneInterruptServeABatch) {
  auto channel = connect_and_open();
  device_.echo = true;
  guest_.take_event(0, 1);
  const uint64_t signals = guest_.signals();
  const int doorbells = device_.doorbells;
  for (uint64_t i = 0; i < 50; ++i)
    ASSERT_TRUE(channel->send(i, bytes_of("batched.")));
  EXPECT_EQ(channel->doorbells(), 1u);
  guest_.settle();
  EXPECT_EQ(device_.seen.size(), 50u);
  EXPECT_EQ(device_.doorbells, doorbells + 1);
  EXPECT_EQ(guest_.signals(), signals + 1);
}

TEST_F(ChannelTest, MaskedGuestIsNotInterrupted) {
  auto channel = connect_and_open();
  device_.echo = true;
  channel->mask(true);
  const uint64_t signals = guest_.signals();
  channel->send(1, bytes_of("x"));
  guest_.settle();
  EXPECT_EQ(guest_.signals(), signals);
  channel->mask(false);
  EXPECT_TRUE(channel->has_packets());
}

TEST_F(ChannelTest, DoorbellIsUnmaskedOnlyWhenTheRingIsDrained) {
  auto channel = connect_and_open();
  EXPECT_FALSE(is_masked(*channel));
  device_.take = 0;
  channel->send(1, bytes_of("x"));
  guest_.settle();
  EXPECT_TRUE(is_masked(*channel));
  device_.take = 1;
  device_.channels[0]->resume();
  guest_.settle();
  EXPECT_TRUE(is_masked(*channel)) << "one was taken, but the ring not found empty";
  device_.take = -1;
  device_.channels[0]->resume();
  guest_.settle();
  EXPECT_FALSE(is_masked(*channel));
}

TEST_F(ChannelTest, DeviceThatStopsEarlyFindsItsPacketsAfterResume) {
  auto channel = connect_and_open();
  device_.take = 2;
  for (uint64_t i = 0; i < 5; ++i)
    channel->send(i, bytes_of("x"));
  guest_.settle();
  EXPECT_EQ(device_.seen.size(), 2u);
  device_.take = -1;
  device_.channels[0]->resume();
  guest_.settle();
  EXPECT_EQ(device_.seen.size(), 5u);
}

TEST_F(ChannelTest, PollingKeepsDoorbellsAwayUntilItEnds) {
  auto channel = connect_and_open();
  Channel& host = *device_.channels[0];
  host.set_polling(true);
  EXPECT_TRUE(is_masked(*channel));
  channel->send(1, bytes_of("x"));
  channel->send(2, bytes_of("y"));
  EXPECT_EQ(channel->doorbells(), 0u) << "the mask holds";
  guest_.settle();
  EXPECT_EQ(device_.seen.size(), 0u);
  host.set_polling(false);
  guest_.settle();
  EXPECT_EQ(device_.seen.size(), 2u);
  EXPECT_FALSE(is_masked(*channel));
}

TEST_F(ChannelTest, EndOfPollingCallsNobodyWhileTheRingIsEmpty) {
  auto channel = connect_and_open();
  Channel& host = *device_.channels[0];
  guest_.settle();
  const int calls = device_.doorbells;
  for (int i = 0; i < 3; ++i) {
    host.set_polling(true);
    host.set_polling(false);
    guest_.settle();
  }
  EXPECT_EQ(device_.doorbells, calls);
  EXPECT_FALSE(is_masked(*channel));
  channel->send(1, bytes_of("x"));
  guest_.settle();
  EXPECT_EQ(device_.seen.size(), 1u);
}

TEST_F(ChannelTest, PacketIsTheSameUntilItIsConsumed) {
  auto channel = connect_and_open();
  device_.take = 0;
  channel->send(1, bytes_of("x"));
  channel->send(2, bytes_of("y"));
  guest_.settle();
  Channel& host = *device_.channels[0];
  ASSERT_NE(host.peek(), nullptr);
  EXPECT_EQ(host.peek()->transaction_id, 1u);
  EXPECT_EQ(host.peek()->transaction_id, 1u);
  host.consume();
  EXPECT_EQ(host.peek()->transaction_id, 2u);
}

TEST_F(ChannelTest, CompletionsOfOneRoundAreFlushedTogether) {
  auto channel = connect_and_open();
  guest_.take_event(0, 1);
  Channel& host = *device_.channels[0];
  const uint64_t signals = guest_.signals();
  for (uint64_t i = 0; i < 3; ++i) {
    host.try_complete(i, {});
    host.flush_soon();
  }
  EXPECT_FALSE(channel->has_packets());
  guest_.settle();
  EXPECT_TRUE(channel->has_packets());
  EXPECT_EQ(guest_.signals(), signals + 1);
}

TEST_F(ChannelTest, EndlessStreamOfPacketsLeavesOthersTheirTurn) {
  struct Feeder : TestDevice {
    void doorbell(Channel& channel) noexcept override {
      ++doorbells;
      while (channel.peek() != nullptr) {
        channel.consume();
        channel.flush();
        if (++taken < 5000) source->send(1, {});
      }
    }
    GuestChannel* source = nullptr;
    int taken = 0;
  } feeder;
  ASSERT_TRUE(server_.offer(feeder));
  connect();
  auto channel = guest_.open(1, 8, 8);
  ASSERT_NE(channel, nullptr);
  guest_.settle();
  feeder.source = channel.get();
  channel->send(1, {});
  while (feeder.taken < 5000)
    guest_.settle();
  EXPECT_GE(feeder.doorbells, 5000 / static_cast<int>(kPacketsPerTurn));
  reset();
}

// --- full rings ----------------------------------------------------------------------------------

TEST_F(ChannelTest, FullOutgoingRingHoldsCompletionsUntilTheGuestMakesRoom) {
  auto channel = connect_and_open(32, 3);
  device_.echo = true;
  device_.record = false;
  const std::vector<std::byte> payload(200, std::byte{7});
  uint64_t sent = 0;
  while (sent < 400 && channel->send(sent, payload)) {
    ++sent;
    guest_.settle();
  }
  EXPECT_FALSE(device_.unsent.empty());
  const uint64_t doorbells = channel->doorbells();
  for (uint64_t received = 0; received < sent;) {
    for (const GuestPacket* packet; (packet = channel->receive()) != nullptr; ++received)
      ASSERT_EQ(packet->descriptor.transaction_id.get(), received);
    channel->end_receive();
    guest_.settle();
  }
  EXPECT_TRUE(device_.unsent.empty());
  EXPECT_GT(channel->doorbells(), doorbells) << "only the wake-ups for space can have rung";
  EXPECT_GT(device_.writables, 0);
  EXPECT_EQ(channel->incoming().word(control::kPendingSendSize).load(), 0u);
}

TEST_F(ChannelTest, SpaceThatReturnsInSmallStepsWakesTheDeviceOnce) {
  auto channel = connect_and_open(8, 2);
  Channel& host = *device_.channels[0];
  const std::vector<std::byte> small(104);
  while (host.try_complete(1, small)) {
  }
  device_.unsent.emplace_back(2, std::vector<std::byte>(1000));
  EXPECT_FALSE(host.try_complete(2, device_.unsent.front().second));
  const uint64_t before = channel->doorbells();
  for (int i = 0; i < 20; ++i) {
    ASSERT_NE(channel->receive_one(), nullptr);
    if (i < 6) {
      EXPECT_EQ(channel->doorbells(), before) << i;
    }
  }
  EXPECT_EQ(channel->doorbells(), before + 1);
  guest_.settle();
  EXPECT_EQ(device_.writables, 1);
  EXPECT_TRUE(device_.unsent.empty());
}

TEST_F(ChannelTest, GuestThatWaitsForSpaceIsInterrupted) {
  auto channel = connect_and_open(2, 8);
  device_.take = 0;
  const std::vector<std::byte> payload(100);
  while (channel->send(1, payload)) {
  }
  channel->request_space(1024);
  guest_.settle();
  guest_.take_event(0, 1);
  const uint64_t signals = guest_.signals();
  device_.take = -1;
  device_.channels[0]->resume();
  guest_.settle();
  EXPECT_EQ(guest_.signals(), signals + 1);
}

TEST_F(ChannelTest, PacketThatCanNeverFitIsAFaultAndNotAWait) {
  auto channel = connect_and_open(8, 2);
  EXPECT_TRUE(device_.channels[0]->try_complete(1, std::vector<std::byte>(2 * kPageBytes)));
  guest_.settle();
  EXPECT_EQ(device_.faults, 1);
}

// --- hostile packets -----------------------------------------------------------------------------

TEST_F(ChannelTest, BrokenRingCostsTheGuestThisChannelAndNoOther) {
  TestDevice other(kOtherInstance);
  other.echo = true;
  ASSERT_TRUE(server_.offer(other));
  ASSERT_TRUE(server_.offer(device_));
  connect();
  auto good = guest_.open(1);
  auto bad = guest_.open(2);
  ASSERT_TRUE(good != nullptr && bad != nullptr);
  bad->outgoing().word(control::kWriteIndex).store(12345);
  bad->ring_host();
  guest_.settle();
  EXPECT_EQ(device_.faults, 1);
  EXPECT_TRUE(device_.channels[0]->is_faulted());
  EXPECT_EQ(errors(ServerError::kRingFault), 1u);
  EXPECT_TRUE(device_.channels[0]->try_complete(1, {})) << "swallowed";
  bad->ring_host();
  guest_.settle();
  EXPECT_EQ(device_.faults, 1);

  good->send(1, bytes_of("x"));
  guest_.settle();
  EXPECT_NE(good->receive_one(), nullptr);

  // It can be closed and opened again.
  bad->close();
  bad = guest_.open(2);
  ASSERT_NE(bad, nullptr);
  bad->send(1, bytes_of("x"));
  guest_.settle();
  EXPECT_EQ(device_.seen.size(), 1u);
  reset();
}

TEST_F(ChannelTest, GpaRangesThatDoNotFitTheirPacketAreFaults) {
  const std::vector<std::pair<const char*, std::vector<std::byte>>> packets = {
      {"more ranges than bytes", gpa_direct(2, {range_word(10, 0), 9})},
      {"countless ranges", gpa_direct(~0u, {range_word(10, 0), 9})},
      {"a range without pages", gpa_direct(1, {range_word(10, 0)})},
      {"fewer pages than the range touches", gpa_direct(1, {range_word(4096, 1), 9})},
      {"the largest range", gpa_direct(1, {range_word(~0u, 0), 9})},
      {"a range of the largest size and offset", gpa_direct(1, {range_word(~0u, ~0u), 9})},
      {"an offset behind the first page", gpa_direct(1, {range_word(10, 4096), 9, 10})},
      {"an empty range", gpa_direct(1, {range_word(0, 0), 9})},
      {"a page number that wraps", gpa_direct(1, {range_word(10, 0), uint64_t{1} << 52})},
  };
  auto channel = connect_and_open();
  int faults = 0;
  for (const auto& [what, packet] : packets) {
    ASSERT_TRUE(channel->send_raw(packet));
    guest_.settle();
    EXPECT_EQ(device_.faults, ++faults) << what;
    EXPECT_TRUE(device_.seen.empty()) << what;
    channel->close();
    channel = guest_.open(1, 8, 8);
    ASSERT_NE(channel, nullptr);
    guest_.settle();
  }
}

TEST_F(ChannelTest, GpaDirectPacketWithoutItsHeaderIsAFault) {
  auto channel = connect_and_open();
  channel->send_raw(wire_bytes(PacketDescriptor{packet_type::kDataUsingGpaDirect, uint16_t{2},
                                                uint16_t{2}, uint16_t{0}, uint64_t{1}}));
  guest_.settle();
  EXPECT_EQ(device_.faults, 1);
}

TEST_F(ChannelTest, RangesThatAreNotMemoryReachTheDeviceAsTheyAre) {
  auto channel = connect_and_open();
  channel->send_raw(gpa_direct(1, {range_word(10, 0), (uint64_t{1} << 52) - 1}));
  guest_.settle();
  std::array<iovec, 4> out;
  EXPECT_EQ(guest_.memory().gather(device_.seen.at(0).ranges, out), std::nullopt);
}

TEST_F(ChannelTest, UnknownPacketTypesAreTheDevicesToJudge) {
  auto channel = connect_and_open();
  channel->send_raw(wire_bytes(
      PacketDescriptor{uint16_t{0xABCD}, uint16_t{2}, uint16_t{2}, uint16_t{0}, uint64_t{1}}));
  guest_.settle();
  EXPECT_EQ(device_.seen.at(0).type, 0xABCD);
}

TEST_F(ChannelTest, ReadIndexThatTheGuestBreaksStopsTheSending) {
  auto channel = connect_and_open(8, 2);
  Channel& host = *device_.channels[0];
  channel->incoming().word(control::kReadIndex).store(3);
  for (int i = 0; i < 100; ++i)
    EXPECT_TRUE(host.try_complete(1, std::vector<std::byte>(100)));
  guest_.settle();
  EXPECT_EQ(device_.faults, 1);
}

}  // namespace
}  // namespace viridian::vmbus
