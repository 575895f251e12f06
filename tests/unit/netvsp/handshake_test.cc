#include "tests/unit/netvsp/netvsp_fixture.h"

namespace viridian::netvsp {
namespace {

using HandshakeTest = NetvspTest;

TEST_F(HandshakeTest, EachVersionThatLinuxAsksForIsAgreed) {
  for (const uint32_t version :
       {kVersion61, kVersion6, kVersion5, kVersion4, kVersion2, kVersion1}) {
    const auto complete = fresh().init(version);
    ASSERT_TRUE(complete);
    EXPECT_EQ(complete->status.get(), status::kSuccess);
    EXPECT_EQ(complete->version.get(), version);
  }
}

TEST_F(HandshakeTest, UnknownVersionIsRefusedAndTheNextOneIsAgreed) {
  const auto refused = fresh().init(0x70000);
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->status.get(), status::kProtocolUnsupported);
  EXPECT_EQ(errors(GuestError::kBadVersion), 1u);
  EXPECT_EQ(fresh().init(kVersion61)->status.get(), status::kSuccess);
}

TEST_F(HandshakeTest, ReceiveBufferIsCutIntoSectionsThatHoldAFrameOfTheGuestsMtu) {
  ASSERT_TRUE(fresh().init(kVersion61));
  const auto complete = fresh().give_receive_buffer();
  EXPECT_EQ(complete.status.get(), status::kSuccess);
  EXPECT_EQ(complete.section_count.get(), 1u);
  EXPECT_EQ(complete.offset.get(), 0u);
  EXPECT_GE(complete.piece_bytes.get(), 1514u + 4 + 44 + 4 * 16);
  EXPECT_LE(complete.piece_bytes * complete.piece_count, FakeNetvsc::kReceivePages * 4096u);
  EXPECT_GT(complete.piece_count.get(), 500u);
}

TEST_F(HandshakeTest, BufferBeforeTheVersionIsRefused) {
  EXPECT_EQ(fresh().give_receive_buffer().status.get(), status::kFailure);
  EXPECT_EQ(errors(GuestError::kBadState), 1u);
}

TEST_F(HandshakeTest, BufferOfTooFewPagesIsRefused) {
  ASSERT_TRUE(fresh().init(kVersion61));
  EXPECT_EQ(fresh().give_receive_buffer(4).status.get(), status::kFailure);
  EXPECT_EQ(errors(GuestError::kBadBuffer), 1u);
}

TEST_F(HandshakeTest, BufferThatIsNoGpadlOfTheChannelIsRefused) {
  ASSERT_TRUE(fresh().init(kVersion61));
  const auto answer = fresh().nvsp(
      make_message(message_type::kSendReceiveBuffer, SendBuffer{0xdeadu, uint16_t{1}}));
  ASSERT_TRUE(answer);
  EXPECT_EQ(body_of<ReceiveBufferComplete>(*answer).status.get(), status::kFailure);
}

TEST_F(HandshakeTest, SendBufferHasSectionsOfSixKilobytes) {
  ASSERT_TRUE(fresh().connect());
  const auto again = fresh().give_send_buffer();
  EXPECT_EQ(again.status.get(), status::kSuccess);
  EXPECT_EQ(again.section_bytes.get(), kSendSectionBytes);
}

TEST_F(HandshakeTest, GrantsAsManySubChannelsAsItThenOffers) {
  ASSERT_NE(&driver(), nullptr);
  const auto answer =
      driver().nvsp(make_message(message_type::kSubChannel, SubChannelRequest{1u, 7u}));
  ASSERT_TRUE(answer);
  const auto complete = body_of<SubChannelComplete>(*answer);
  EXPECT_EQ(complete.status.get(), status::kSuccess);
  EXPECT_EQ(complete.count.get(), 2u);
  for (uint16_t i = 1; i <= 2; ++i) {
    const auto offer = guest_.wait_for<vmbus::OfferChannel>(vmbus::message_type::kOfferChannel);
    ASSERT_TRUE(offer);
    EXPECT_EQ(offer->sub_channel_index.get(), i);
  }
}

TEST_F(HandshakeTest, SubChannelsBeforeTheBuffersAreRefused) {
  ASSERT_TRUE(fresh().init(kVersion61));
  const auto answer =
      fresh().nvsp(make_message(message_type::kSubChannel, SubChannelRequest{1u, 1u}));
  ASSERT_TRUE(answer);
  EXPECT_EQ(body_of<SubChannelComplete>(*answer).status.get(), status::kFailure);
}

TEST_F(HandshakeTest, UnknownMessageThatWantsAnAnswerGetsOne) {
  ASSERT_TRUE(fresh().init(kVersion61));
  Message unknown{};
  unknown.type = 9999;
  EXPECT_TRUE(fresh().nvsp(unknown));
  EXPECT_EQ(errors(GuestError::kUnknownMessage), 1u);
}

TEST_F(HandshakeTest, RevokedBuffersAreNotUsedAnyMore) {
  ASSERT_TRUE(give_frame(test_frame(100)) || true);
  FakeNetvsc& netvsc = driver();
  netvsc.nvsp(make_message(message_type::kRevokeReceiveBuffer, le16(FakeNetvsc::kReceiveId)),
              false);
  netvsc.nvsp(make_message(message_type::kRevokeSendBuffer, le16(0)), false);
  EXPECT_TRUE(give_frame(test_frame(100)));
  EXPECT_FALSE(netvsc.receive());
  EXPECT_TRUE(netvsc.send_section(5, 0, rndis_packet(test_frame(100))));
  EXPECT_TRUE(take_frame().empty());
  EXPECT_EQ(netvsc.answer_of(5), status::kInvalidRndisPacket);
}

TEST_F(HandshakeTest, GpadlThatTheGuestTakesBackIsNotTouchedAnyMore) {
  FakeNetvsc& netvsc = driver();
  guest_.tear_down_gpadl(netvsc.channel().relid(), netvsc.receive_gpadl());
  guest_.tear_down_gpadl(netvsc.channel().relid(), netvsc.send_gpadl());
  EXPECT_TRUE(give_frame(test_frame(100)));
  EXPECT_FALSE(netvsc.receive());
  EXPECT_TRUE(netvsc.send_section(5, 0, 200));
  EXPECT_TRUE(take_frame().empty());
  EXPECT_EQ(errors(GuestError::kBadSection), 1u);
}

TEST_F(HandshakeTest, DriverThatIsLoadedAgainBeginsAtTheStart) {
  ASSERT_NE(&driver(), nullptr);
  driver().channel().close();
  guest_.settle();
  driver_.reset();
  ASSERT_TRUE(fresh().connect());
  ASSERT_TRUE(fresh().initialize());
  ASSERT_TRUE(fresh().set_filter(packet_filter::kDirected));
  EXPECT_TRUE(give_frame(test_frame(64)));
  EXPECT_TRUE(fresh().receive());
}

}  // namespace
}  // namespace viridian::netvsp
