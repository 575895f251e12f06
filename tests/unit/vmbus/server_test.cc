// The connection: contact, offers, the messages that are answered at once, and those that are not.
#include "vmbus/server.h"

#include <algorithm>

#include "tests/unit/vmbus/test_device.h"
#include "vmbus/message_rules.h"

namespace viridian::vmbus {
namespace {

class ServerTest : public VmbusTest {};

TEST_F(ServerTest, NewestVersionIsNegotiatedAsLinuxDoesIt) {
  EXPECT_EQ(guest_.connect(), kVersion5_3);
}

TEST_F(ServerTest, EveryListedVersionIsAcceptedAndItsNeighboursAreRefused) {
  for (const uint32_t version : kVersions) {
    EXPECT_TRUE(guest_.contact(version)) << std::hex << version;
    guest_.unload();
  }
  for (const uint32_t version : {make_version(0, 13), make_version(1, 1), make_version(2, 3),
                                 make_version(4, 2), make_version(5, 4), make_version(6, 0), ~0u}) {
    EXPECT_FALSE(guest_.contact(version)) << std::hex << version;
  }
  EXPECT_EQ(errors(ServerError::kRefusedVersion), 7u);
}

TEST_F(ServerTest, CappedServerMakesTheGuestFallBack) {
  Server capped(*reactor_, guest_.memory(), guest_, {.max_version = kVersion4_0});
  guest_.attach(capped);
  EXPECT_EQ(guest_.connect(), kVersion4_0);
  Flag done;
  capped.reset(done);
  reactor_->run_until([&] { return done.set; });
}

TEST_F(ServerTest, ResponseNamesTheConnectionForLaterMessages) {
  guest_.post(message_type::kInitiateContact, InitiateContact{{}, kVersion5_0, 0u, 2u, 0u, 0u});
  const auto response = guest_.wait_for<VersionResponse>(message_type::kVersionResponse);
  ASSERT_TRUE(response);
  EXPECT_EQ(response->message_connection.get(), kMessageConnection5);
}

TEST_F(ServerTest, AnswersGoToTheVirtualProcessorOfTheContact) {
  ASSERT_TRUE(guest_.contact(kVersion5_3, 2));
  guest_.request_offers();
  EXPECT_EQ(guest_.message_vp(), 2u);
}

TEST_F(ServerTest, OfferCarriesTheDevicesDescription) {
  ASSERT_TRUE(server_.offer(device_));
  const auto offers = connect();
  ASSERT_EQ(offers.size(), 1u);
  EXPECT_EQ(offers[0].type, kTestType);
  EXPECT_EQ(offers[0].instance, kTestInstance);
  EXPECT_EQ(offers[0].user_defined[0], 0x5A);
  EXPECT_EQ(offers[0].relid.get(), 1u);
  EXPECT_EQ(offers[0].sub_channel_index.get(), 0u);
  EXPECT_EQ(offers[0].monitor_allocated, 0u);
  EXPECT_EQ(offers[0].dedicated_interrupt.get(), 1u);
  EXPECT_NE(offers[0].connection_id.get(), 0u);
}

TEST_F(ServerTest, RelidsAreDenseAndConnectionsDiffer) {
  TestDevice other(kOtherInstance);
  ASSERT_TRUE(server_.offer(device_));
  ASSERT_TRUE(server_.offer(other));
  const auto offers = connect();
  ASSERT_EQ(offers.size(), 2u);
  EXPECT_EQ(offers[0].relid.get(), 1u);
  EXPECT_EQ(offers[1].relid.get(), 2u);
  EXPECT_NE(offers[0].connection_id.get(), offers[1].connection_id.get());
}

TEST_F(ServerTest, SameInstanceIsNotOfferedTwice) {
  TestDevice twin;
  ASSERT_TRUE(server_.offer(device_));
  EXPECT_FALSE(server_.offer(twin));
}

TEST_F(ServerTest, DeviceOfferedLaterReachesAConnectedGuest) {
  EXPECT_TRUE(connect().empty());
  ASSERT_TRUE(server_.offer(device_));
  EXPECT_TRUE(guest_.has_message(message_type::kOfferChannel));
}

TEST_F(ServerTest, DeviceOfferedBeforeTheGuestAsksIsNotAnnouncedTwice) {
  ASSERT_TRUE(guest_.contact(kVersion5_3));
  ASSERT_TRUE(server_.offer(device_));
  EXPECT_FALSE(guest_.has_message(message_type::kOfferChannel));
  EXPECT_EQ(guest_.request_offers().size(), 1u);
}

TEST_F(ServerTest, MessageOnAnUnknownConnectionIsRefused) {
  const MessageHeader message{message_type::kRequestOffers, 0u};
  for (const uint32_t connection : {0u, 2u, 3u, 5u, 0x1001u, ~0u}) {
    EXPECT_EQ(server_.guest_message(connection, wire_bytes(message)), kHvInvalidConnectionId);
  }
}

TEST_F(ServerTest, EveryTypeShorterThanItsStructureIsIgnoredAndCounted) {
  connect();
  uint64_t expected = 0;
  for (uint32_t type = 0; type < kMessages.size(); ++type) {
    const MessageRule* rule = guest_message_rule(type);
    if (rule == nullptr || rule->min_bytes == sizeof(MessageHeader)) continue;
    std::vector<std::byte> message(rule->min_bytes - 1);
    write_wire(message, MessageHeader{type, 0u});
    EXPECT_EQ(guest_.post_bytes(message), kHvSuccess);
    ++expected;
  }
  guest_.post_bytes(std::vector<std::byte>(7));
  guest_.settle();
  EXPECT_EQ(errors(ServerError::kShortMessage), expected + 1);
}

TEST_F(ServerTest, TypesThatAreNotTheGuestsAreIgnoredAndCounted) {
  connect();
  uint64_t expected = 0;
  for (const uint32_t type : {0u, 1u, 2u, 4u, 6u, 15u, 17u, 18u, 19u, 20u, 23u, 24u, 25u, ~0u}) {
    guest_.post(type, OpenChannel{});
    ++expected;
  }
  guest_.settle();
  EXPECT_EQ(errors(ServerError::kUnknownMessage), expected);
}

TEST_F(ServerTest, RequestWithoutAConnectionIsIgnoredAndCounted) {
  guest_.post(message_type::kRequestOffers, RelidMessage{});
  EXPECT_FALSE(guest_.has_message(message_type::kAllOffersDelivered));
  EXPECT_EQ(errors(ServerError::kNotConnected), 1u);
}

TEST_F(ServerTest, UnloadIsAnsweredAlsoWithoutAConnection) {
  guest_.post(message_type::kUnload, RelidMessage{});
  EXPECT_TRUE(guest_.has_message(message_type::kUnloadResponse));
}

TEST_F(ServerTest, HyperVSocketIsRefusedWithAnAnswer) {
  connect();
  guest_.post(message_type::kTlConnectRequest, TlConnectRequest{{}, kTestType, kTestInstance});
  const auto result = guest_.wait_for<TlConnectResult>(message_type::kTlConnectResult);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->endpoint, kTestType);
  EXPECT_EQ(result->service, kTestInstance);
  EXPECT_NE(result->status.get(), kStatusSuccess);
}

TEST_F(ServerTest, ModifyChannelIsTooNewForVersion4_0) {
  connect(kVersion4_0);
  guest_.post(message_type::kModifyChannel, ModifyChannel{{}, 1u, 1u});
  guest_.settle();
  EXPECT_EQ(errors(ServerError::kUnknownMessage), 1u);
}

TEST_F(ServerTest, ModifyChannelMovesInterruptsAndIsAnsweredSince5_3) {
  for (const uint32_t version : {kVersion5_2, kVersion5_3}) {
    TestDevice device;
    device.echo = true;
    ASSERT_TRUE(server_.offer(device));
    connect(version);
    auto channel = guest_.open(1, 4, 4, 0);
    ASSERT_NE(channel, nullptr);
    guest_.post(message_type::kModifyChannel, ModifyChannel{{}, 1u, 3u});
    EXPECT_EQ(guest_.has_message(message_type::kModifyChannelResponse), version >= kVersion5_3);
    channel->send(1, bytes_of("x"));
    guest_.settle();
    EXPECT_TRUE(guest_.take_event(3, 1));
    Flag done;
    server_.rescind(device, done);
    reactor_->run_until([&] { return done.set; });
    guest_.unload();
  }
}

TEST_F(ServerTest, ModifyOfAnUnknownChannelIsAnsweredWithAFailure) {
  connect();
  guest_.post(message_type::kModifyChannel, ModifyChannel{{}, 9u, 0u});
  const auto response =
      guest_.wait_for<ModifyChannelResponse>(message_type::kModifyChannelResponse);
  ASSERT_TRUE(response);
  EXPECT_NE(response->status.get(), kStatusSuccess);
}

TEST_F(ServerTest, FullInboundQueueTellsTheGuestToRetryAndLosesNothing) {
  connect();
  const RelidMessage request{{message_type::kRequestOffers, 0u}, 0u};
  size_t accepted = 0;
  while (guest_.post_bytes(wire_bytes(request)) == kHvSuccess)
    ++accepted;
  EXPECT_EQ(accepted, kInboundMessages);
  EXPECT_EQ(guest_.post_bytes(wire_bytes(request)), kHvInsufficientBuffers);
  for (; accepted > 0; --accepted) {
    ASSERT_TRUE(guest_.wait_for_bytes(message_type::kAllOffersDelivered));
  }
  EXPECT_EQ(guest_.post_bytes(wire_bytes(request)), kHvSuccess);
}

TEST_F(ServerTest, GuestThatReadsNoAnswersIsPushedBackAndServedLater) {
  connect();
  guest_.set_message_capacity(1);
  const RelidMessage request{{message_type::kRequestOffers, 0u}, 0u};
  size_t accepted = 0;
  while (accepted < 10 * kInboundMessages && guest_.post_bytes(wire_bytes(request)) == kHvSuccess) {
    ++accepted;
    guest_.settle();
  }
  EXPECT_LE(accepted, kInboundMessages + kOutboundMessages + 3);
  for (; accepted > 0; --accepted) {
    ASSERT_TRUE(guest_.wait_for_bytes(message_type::kAllOffersDelivered));
  }
}

}  // namespace
}  // namespace viridian::vmbus
