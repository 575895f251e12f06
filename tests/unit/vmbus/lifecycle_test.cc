// Channels from open to close, sub-channels, rescind, unload, second contact, reset.
#include <algorithm>

#include "tests/unit/vmbus/test_device.h"

namespace viridian::vmbus {
namespace {

class LifecycleTest : public VmbusTest {
 protected:
  uint32_t open_status(const OpenChannel& open) {
    guest_.post(message_type::kOpenChannel, open);
    const auto result = guest_.wait_for<OpenResult>(message_type::kOpenResult);
    return result ? result->status.get() : 0xFFFF'FFFF;
  }
  std::vector<OfferChannel> take_offers() {
    std::vector<OfferChannel> offers;
    while (guest_.has_message(message_type::kOfferChannel))
      offers.push_back(*guest_.wait_for<OfferChannel>(message_type::kOfferChannel));
    return offers;
  }
  std::vector<uint32_t> take_rescinds() {
    std::vector<uint32_t> relids;
    while (guest_.has_message(message_type::kRescindOffer))
      relids.push_back(guest_.wait_for<RelidMessage>(message_type::kRescindOffer)->relid);
    return relids;
  }
  void release(uint32_t relid) {
    guest_.post(message_type::kRelidReleased, RelidMessage{{}, relid});
    guest_.settle();
  }
};

// --- open ----------------------------------------------------------------------------------------

TEST_F(LifecycleTest, OpenPassesTargetAndUserData) {
  ASSERT_TRUE(server_.offer(device_));
  connect();
  const auto pfns = guest_.alloc_pages(8);
  ASSERT_TRUE(guest_.create_gpadl(1, 5, pfns, 0, 8 * kPageBytes));
  OpenChannel open{{}, 1u, 99u, 5u, 3u, 4u, {}};
  open.user_data[119] = 0xA5;
  guest_.post(message_type::kOpenChannel, open);
  const auto result = guest_.wait_for<OpenResult>(message_type::kOpenResult);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->status.get(), kStatusSuccess);
  EXPECT_EQ(result->open_id.get(), 99u);
  ASSERT_EQ(device_.channels.size(), 1u);
  EXPECT_EQ(device_.channels[0]->target_vp(), 3u);
  EXPECT_EQ(device_.channels[0]->open_data()[119], std::byte{0xA5});
  EXPECT_EQ(device_.channels[0]->protocol_version(), kVersion5_3);
}

TEST_F(LifecycleTest, OpenOfSomethingThatIsNotRingsIsRefused) {
  ASSERT_TRUE(server_.offer(device_));
  connect();
  const auto pfns = guest_.alloc_pages(8);
  ASSERT_TRUE(guest_.create_gpadl(1, 5, pfns, 0, 8 * kPageBytes));
  ASSERT_TRUE(guest_.create_gpadl(1, 6, pfns, 8, 7 * kPageBytes));
  for (const uint32_t split : {0u, 1u, 7u, 8u, 9u, ~0u}) {
    EXPECT_NE(open_status({{}, 1u, 1u, 5u, 0u, split, {}}), kStatusSuccess) << split;
  }
  EXPECT_NE(open_status({{}, 1u, 1u, 6u, 0u, 4u, {}}), kStatusSuccess);  // not at a page's start
  EXPECT_NE(open_status({{}, 1u, 1u, 7u, 0u, 4u, {}}), kStatusSuccess);  // no such GPADL
  EXPECT_NE(open_status({{}, 2u, 1u, 5u, 0u, 4u, {}}), kStatusSuccess);  // no such channel
  EXPECT_EQ(errors(ServerError::kBadOpen), 8u);
  EXPECT_EQ(errors(ServerError::kUnknownChannel), 1u);
  EXPECT_EQ(open_status({{}, 1u, 1u, 5u, 0u, 4u, {}}), kStatusSuccess);
  EXPECT_NE(open_status({{}, 1u, 1u, 5u, 0u, 4u, {}}), kStatusSuccess);  // open already
  EXPECT_EQ(errors(ServerError::kBadState), 1u);
}

TEST_F(LifecycleTest, DeviceThatRefusesLeavesTheChannelToBeOpenedAgain) {
  ASSERT_TRUE(server_.offer(device_));
  connect();
  device_.refuse_open = true;
  EXPECT_EQ(guest_.open(1), nullptr);
  EXPECT_FALSE(guest_.has_doorbell(0x1001));
  EXPECT_EQ(device_.closes, 0);
  device_.refuse_open = false;
  EXPECT_NE(guest_.open(1), nullptr);
}

TEST_F(LifecycleTest, HostWithoutDoorbellsMakesTheOpenFail) {
  ASSERT_TRUE(server_.offer(device_));
  connect();
  guest_.refuse_doorbells(true);
  EXPECT_EQ(guest_.open(1), nullptr);
  EXPECT_EQ(errors(ServerError::kOpenRefused), 1u);
}

TEST_F(LifecycleTest, GreetingOfTheDeviceArrivesAfterTheOpen) {
  device_.greet = true;
  auto channel = connect_and_open();
  const GuestPacket* packet = channel->receive_one();
  ASSERT_NE(packet, nullptr);
  EXPECT_EQ(packet->descriptor.transaction_id.get(), 77u);
  EXPECT_TRUE(guest_.take_event(0, 1));
}

TEST_F(LifecycleTest, PacketsWrittenBeforeTheOpenResultAreSeenWithoutADoorbell) {
  ASSERT_TRUE(server_.offer(device_));
  connect();
  const auto pfns = guest_.alloc_pages(8);
  ASSERT_TRUE(guest_.create_gpadl(1, 5, pfns, 0, 8 * kPageBytes));
  auto ring = RingMemory::map(guest_.memory(), std::span(pfns).first(4));
  const PacketDescriptor packet{packet_type::kDataInBand, uint16_t{2}, uint16_t{2}, uint16_t{0},
                                uint64_t{8}};
  ring->copy_in(0, wire_bytes(packet));
  ring->word(control::kWriteIndex).store(24);
  EXPECT_EQ(open_status({{}, 1u, 1u, 5u, 0u, 4u, {}}), kStatusSuccess);
  guest_.settle();
  EXPECT_EQ(device_.seen.size(), 1u);
}

// --- close ---------------------------------------------------------------------------------------

TEST_F(LifecycleTest, CloseWaitsForTheDeviceBeforeTheRingIsGivenBack) {
  auto channel = connect_and_open();
  device_.hold_close = true;
  guest_.post(message_type::kCloseChannel, RelidMessage{{}, 1u});
  guest_.post(message_type::kGpadlTeardown, GpadlTeardown{{}, 1u, channel->ring_gpadl()});
  EXPECT_FALSE(guest_.has_message(message_type::kGpadlTorndown));
  ASSERT_EQ(device_.closing.size(), 1u);
  Channel& closing = *std::exchange(device_.closing, {}).front();

  // Nothing of the rings is touched any more, whatever the device still says.
  std::vector<std::byte> before(kPageBytes);
  std::memcpy(before.data(), guest_.host_pointer(channel->ring_pfns()[8]), kPageBytes);
  EXPECT_TRUE(closing.try_complete(1, bytes_of("late")));
  closing.flush();
  EXPECT_EQ(closing.peek(), nullptr);
  EXPECT_EQ(std::memcmp(before.data(), guest_.host_pointer(channel->ring_pfns()[8]), kPageBytes),
            0);

  closing.close_complete();
  EXPECT_TRUE(guest_.has_message(message_type::kGpadlTorndown));
  EXPECT_FALSE(guest_.has_doorbell(0x1001));
}

TEST_F(LifecycleTest, ClosedChannelCanBeOpenedAgain) {
  auto channel = connect_and_open();
  device_.echo = true;
  for (int i = 0; i < 3; ++i) {
    channel->close();
    channel = guest_.open(1, 4, 4);
    ASSERT_NE(channel, nullptr);
    channel->send(5, bytes_of("again"));
    guest_.settle();
    ASSERT_NE(channel->receive_one(), nullptr);
  }
  EXPECT_EQ(device_.closes, 3);
}

TEST_F(LifecycleTest, CloseOfAClosedOrUnknownChannelIsCounted) {
  ASSERT_TRUE(server_.offer(device_));
  connect();
  for (const uint32_t relid : {0u, 1u, 2u, 5000u, ~0u})
    guest_.post(message_type::kCloseChannel, RelidMessage{{}, relid});
  guest_.settle();
  EXPECT_EQ(errors(ServerError::kBadState), 1u);
  EXPECT_EQ(errors(ServerError::kUnknownChannel), 4u);
}

TEST_F(LifecycleTest, TeardownOfTheRingUnderAnOpenChannelClosesIt) {
  auto channel = connect_and_open();
  guest_.tear_down_gpadl(1, channel->ring_gpadl());
  EXPECT_EQ(device_.closes, 1);
  channel->ring_host();
  guest_.settle();
  EXPECT_TRUE(device_.channels.empty());
}

TEST_F(LifecycleTest, BufferTornDownWhileOpenIsTakenFromTheDeviceFirst) {
  auto channel = connect_and_open();
  const auto pfns = guest_.alloc_pages(40);
  ASSERT_TRUE(guest_.create_gpadl(1, 7, pfns, 0, 40 * kPageBytes));
  ASSERT_NE(device_.channels[0]->find_gpadl(7), nullptr);
  guest_.tear_down_gpadl(1, 7);
  EXPECT_EQ(device_.torn_down, std::vector<uint32_t>{7});
  EXPECT_EQ(device_.channels[0]->find_gpadl(7), nullptr);
}

// --- sub-channels --------------------------------------------------------------------------------

class SubChannelTest : public LifecycleTest {
 protected:
  void SetUp() override {
    ASSERT_TRUE(server_.offer(device_));
    connect();
    primary_ = guest_.open(1, 4, 4);
    ASSERT_NE(primary_, nullptr);
    guest_.settle();
  }
  void TearDown() override {
    Flag done;
    server_.reset(done);
    reactor_->run_until([&] { return done.set; });
    VmbusTest::TearDown();
  }
  SubChannelTest() { device_ = TestDevice(kTestInstance, 3); }
  std::unique_ptr<GuestChannel> primary_;
};

TEST_F(SubChannelTest, SubChannelsAreOfferedWithTheInstanceOfTheirDevice) {
  EXPECT_EQ(device_.channels[0]->offer_sub_channels(2), 2);
  const auto offers = take_offers();
  ASSERT_EQ(offers.size(), 2u);
  for (unsigned i = 0; i < 2; ++i) {
    EXPECT_EQ(offers[i].instance, kTestInstance);
    EXPECT_EQ(offers[i].sub_channel_index.get(), i + 1);
    EXPECT_EQ(offers[i].relid.get(), i + 2);
  }
}

TEST_F(SubChannelTest, CountIsLimitedByTheOfferAndASecondAskGetsNone) {
  EXPECT_EQ(device_.channels[0]->offer_sub_channels(200), 3);
  EXPECT_EQ(device_.channels[0]->offer_sub_channels(1), 0);
  EXPECT_EQ(take_offers().size(), 3u);
}

TEST_F(SubChannelTest, EachSubChannelTalksOnItsOwnProcessor) {
  device_.echo = true;
  device_.channels[0]->offer_sub_channels(2);
  auto first = guest_.open(2, 4, 4, 1);
  auto second = guest_.open(3, 4, 4, 2);
  ASSERT_TRUE(first != nullptr && second != nullptr);
  guest_.settle();
  EXPECT_TRUE(guest_.take_event(1, 2) && guest_.take_event(2, 3));  // the kick of each open
  second->send(9, bytes_of("x"));
  guest_.settle();
  EXPECT_TRUE(guest_.take_event(2, 3));
  EXPECT_FALSE(guest_.take_event(1, 2));
  EXPECT_EQ(first->receive_one(), nullptr);
  EXPECT_NE(second->receive_one(), nullptr);
}

TEST_F(SubChannelTest, ClosingThePrimaryRescindsItsSubChannels) {
  device_.channels[0]->offer_sub_channels(2);
  take_offers();
  auto sub = guest_.open(2, 4, 4);
  ASSERT_NE(sub, nullptr);
  sub->close();  // Linux closes its sub-channels first
  primary_->close();
  EXPECT_EQ(take_rescinds(), (std::vector<uint32_t>{3, 2}));
  primary_ = guest_.open(1, 4, 4);
  ASSERT_NE(primary_, nullptr);
  // Until the guest releases the old relids, new sub-channels get others.
  release(2);
  EXPECT_EQ(device_.channels[0]->offer_sub_channels(2), 2);
  const auto offers = take_offers();
  ASSERT_EQ(offers.size(), 2u);
  EXPECT_EQ(offers[0].relid.get(), 2u);
  EXPECT_EQ(offers[1].relid.get(), 4u);
}

TEST_F(SubChannelTest, OpenSubChannelsAreClosedWithTheirPrimary) {
  device_.channels[0]->offer_sub_channels(1);
  auto sub = guest_.open(2, 4, 4);
  ASSERT_NE(sub, nullptr);
  primary_->close();
  EXPECT_EQ(device_.closes, 2);
}

// --- rescind -------------------------------------------------------------------------------------

TEST_F(SubChannelTest, RescindTakesSubChannelsBeforeThePrimary) {
  device_.channels[0]->offer_sub_channels(2);
  take_offers();
  Flag done;
  server_.rescind(device_, done);
  EXPECT_EQ(take_rescinds(), (std::vector<uint32_t>{3, 2, 1}));
  EXPECT_TRUE(done.set);
  EXPECT_EQ(device_.closes, 1);
  // Its relids are free only once the guest has let go of them.
  TestDevice next(kOtherInstance);
  ASSERT_TRUE(server_.offer(next));
  EXPECT_EQ(take_offers().at(0).relid.get(), 4u);
}

TEST_F(LifecycleTest, RescindWaitsForTheDeviceAndKeepsTheRelidUntilItsRelease) {
  auto channel = connect_and_open();
  device_.hold_close = true;
  Flag done;
  server_.rescind(device_, done);
  guest_.settle();
  EXPECT_FALSE(done.set);
  std::exchange(device_.closing, {}).front()->close_complete();
  guest_.settle();
  EXPECT_TRUE(done.set);
  EXPECT_EQ(take_rescinds(), std::vector<uint32_t>{1});
  guest_.post(message_type::kCloseChannel, RelidMessage{{}, 1u});  // Linux closes it all the same
  TestDevice next(kOtherInstance);
  ASSERT_TRUE(server_.offer(next));
  EXPECT_EQ(take_offers().at(0).relid.get(), 2u);
  release(1);
  TestDevice third;
  ASSERT_TRUE(server_.offer(third));
  EXPECT_EQ(take_offers().at(0).relid.get(), 1u);
  EXPECT_EQ(server_.errors().total(), 0u);
  reset();
}

TEST_F(LifecycleTest, GpadlForARescindedChannelIsStillAnswered) {
  auto channel = connect_and_open();
  Flag done;
  server_.rescind(device_, done);
  guest_.settle();
  const auto pfns = guest_.alloc_pages(4);
  EXPECT_TRUE(guest_.create_gpadl(1, 9, pfns, 0, 4 * kPageBytes));
  guest_.tear_down_gpadl(1, 9);
  EXPECT_EQ(open_status({{}, 1u, 1u, 9u, 0u, 2u, {}}), kStatusUnsuccessful);
}

TEST_F(LifecycleTest, RescindOfAnUnconnectedDeviceIsOverAtOnce) {
  ASSERT_TRUE(server_.offer(device_));
  Flag done;
  server_.rescind(device_, done);
  guest_.settle();
  EXPECT_TRUE(done.set);
  EXPECT_TRUE(connect().empty());
}

// --- the end of the connection -------------------------------------------------------------------

TEST_F(LifecycleTest, UnloadIsAnsweredWhenTheLastRequestIsDone) {
  auto channel = connect_and_open();
  device_.hold_close = true;
  guest_.post(message_type::kUnload, RelidMessage{});
  EXPECT_FALSE(guest_.has_message(message_type::kUnloadResponse));
  std::exchange(device_.closing, {}).front()->close_complete();
  EXPECT_TRUE(guest_.has_message(message_type::kUnloadResponse));
}

TEST_F(LifecycleTest, SecondContactFindsTheSameOffers) {
  auto channel = connect_and_open();
  guest_.unload();
  const auto offers = connect(kVersion4_0);
  ASSERT_EQ(offers.size(), 1u);
  EXPECT_EQ(offers[0].relid.get(), 1u);
  EXPECT_NE(guest_.open(1), nullptr);
}

TEST_F(LifecycleTest, ContactWithoutUnloadClosesWhatWasOpen) {
  auto channel = connect_and_open();
  device_.hold_close = true;
  guest_.post(message_type::kInitiateContact, InitiateContact{{}, kVersion5_2, 1u, 2u, 0u, 0u});
  EXPECT_FALSE(guest_.has_message(message_type::kVersionResponse));
  std::exchange(device_.closing, {}).front()->close_complete();
  EXPECT_TRUE(guest_.has_message(message_type::kVersionResponse));
  EXPECT_EQ(guest_.message_vp(), 1u);
  EXPECT_EQ(guest_.request_offers().size(), 1u);
}

TEST_F(LifecycleTest, ResetForgetsTheGuestAndServesTheNextOne) {
  auto channel = connect_and_open();
  reset();
  EXPECT_EQ(device_.closes, 1);
  EXPECT_FALSE(guest_.has_doorbell(0x1001));
  EXPECT_EQ(connect().size(), 1u);
  EXPECT_NE(guest_.open(1), nullptr);
}

TEST_F(SubChannelTest, UnloadDropsSubChannels) {
  device_.channels[0]->offer_sub_channels(3);
  auto sub = guest_.open(2, 4, 4);
  take_offers();
  guest_.unload();
  EXPECT_EQ(device_.closes, 2);
  EXPECT_EQ(connect().size(), 1u);
}

}  // namespace
}  // namespace viridian::vmbus
