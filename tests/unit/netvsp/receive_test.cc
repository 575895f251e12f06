#include "tests/unit/netvsp/netvsp_fixture.h"

namespace viridian::netvsp {
namespace {

using ReceiveTest = NetvspTest;

TEST_F(ReceiveTest, FrameLiesInASectionAsAnRndisPacket) {
  const Bytes frame = test_frame(1514);
  ASSERT_NE(&driver(), nullptr);
  ASSERT_TRUE(give_frame(frame));
  const auto received = driver().receive();
  ASSERT_TRUE(received);
  EXPECT_EQ(received->channel_type, kChannelData);
  ASSERT_EQ(received->messages.size(), 1u);
  EXPECT_EQ(frame_of(received->messages[0]), frame);
  EXPECT_FALSE(info_of(received->messages[0], info_type::kVlan));
}

TEST_F(ReceiveTest, PayloadIsCopiedOnce) {
  ASSERT_NE(&driver(), nullptr);
  for (int i = 0; i < 10; ++i)
    ASSERT_TRUE(give_frame(test_frame(1514)));
  const Statistics& statistics = adapter_->statistics();
  EXPECT_EQ(statistics.bytes_copied.get(), statistics.bytes_received.get());
  EXPECT_EQ(statistics.bytes_received.get(), 15140u);
}

TEST_F(ReceiveTest, SectionsThatCrossPagesAnywhereHoldWholeFrames) {
  FakeNetvsc& netvsc = fresh();
  ASSERT_TRUE(netvsc.init(kVersion61));
  constexpr uint32_t kOffset = 4096 - 20;  // the first header, and each page, is cut
  ASSERT_EQ(netvsc.give_receive_buffer(64, kOffset).status.get(), status::kSuccess);
  ASSERT_EQ(netvsc.give_send_buffer().status.get(), status::kSuccess);
  ASSERT_TRUE(netvsc.initialize());
  ASSERT_TRUE(netvsc.set_filter(packet_filter::kDirected));
  for (const size_t size : {60u, 300u, 1514u}) {
    for (int i = 0; i < 32; ++i) {
      ASSERT_TRUE(give_frame(test_frame(size), vswitch::kFrameChecksumGood));
      const auto received = netvsc.receive(false);  // so that each comes in another section
      ASSERT_TRUE(received);
      ASSERT_EQ(received->messages.size(), 1u);
      EXPECT_EQ(frame_of(received->messages[0]), test_frame(size));
      EXPECT_TRUE(info_of(received->messages[0], info_type::kChecksum));
    }
  }
}

TEST_F(ReceiveTest, FramesOfOneBurstTravelInOnePacket) {
  ASSERT_NE(&driver(), nullptr);
  std::array<rte_mbuf*, 5> frames{};
  for (rte_mbuf*& frame : frames) {
    frame = rte_pktmbuf_alloc(pool_.get());
    const Bytes bytes = test_frame(100);
    std::memcpy(rte_pktmbuf_append(frame, 100), bytes.data(), 100);
  }
  EXPECT_EQ(adapter_->transmit(frames), 5);
  EXPECT_FALSE(driver().receive()) << "before the end of the burst";
  adapter_->flush();
  const auto received = driver().receive();
  ASSERT_TRUE(received);
  EXPECT_EQ(received->messages.size(), 5u);
  rte_pktmbuf_free_bulk(frames.data(), frames.size());
}

TEST_F(ReceiveTest, TagAndChecksumGoBesideTheFrame) {
  ASSERT_NE(&driver(), nullptr);
  ASSERT_TRUE(
      give_frame(test_frame(100), vswitch::kFrameVlan | vswitch::kFrameChecksumGood, 3 << 13 | 77));
  const auto received = driver().receive();
  ASSERT_TRUE(received);
  EXPECT_EQ(info_of(received->messages[0], info_type::kVlan), 3u | 77u << 4);
  const auto checksum = info_of(received->messages[0], info_type::kChecksum);
  ASSERT_TRUE(checksum);
  EXPECT_NE(*checksum & checksum_result::kTcpGood, 0u);
  EXPECT_EQ(frame_of(received->messages[0]), test_frame(100));
}

TEST_F(ReceiveTest, FilterOfTheGuestIsKept) {
  FakeNetvsc& netvsc = driver();
  const MacAddress group = {0x01, 0, 0x5e, 1, 2, 3};
  const MacAddress broadcast = {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF};
  const auto arrives = [&](const MacAddress& to) {
    EXPECT_TRUE(give_frame(test_frame(64, to)));
    return netvsc.receive().has_value();
  };
  EXPECT_TRUE(arrives(kGuestMac));
  EXPECT_FALSE(arrives(kOtherMac));
  EXPECT_TRUE(arrives(group));
  EXPECT_TRUE(arrives(broadcast));
  ASSERT_TRUE(netvsc.set_filter(packet_filter::kDirected));
  EXPECT_TRUE(arrives(kGuestMac));
  EXPECT_FALSE(arrives(group));
  EXPECT_FALSE(arrives(broadcast));
  ASSERT_TRUE(netvsc.set_filter(packet_filter::kPromiscuous));
  EXPECT_TRUE(arrives(kOtherMac));
  ASSERT_TRUE(netvsc.set_filter(0));
  EXPECT_FALSE(arrives(kGuestMac));
  EXPECT_EQ(adapter_->statistics().filtered.get(), 4u);
}

TEST_F(ReceiveTest, GuestThatNeverGivesSectionsBackLosesItsOwnFramesOnly) {
  FakeNetvsc& netvsc = driver();
  uint32_t taken = 0;
  while (give_frame(test_frame(1514)))
    ++taken;
  EXPECT_GT(taken, 10u);
  const Statistics& statistics = adapter_->statistics();
  EXPECT_EQ(statistics.ring_full.get() + statistics.no_section.get(), 1u);
  for (uint32_t i = 0; i < taken; ++i)
    ASSERT_TRUE(netvsc.receive()) << i;
  EXPECT_TRUE(give_frame(test_frame(1514))) << "given back, they are used again";
}

TEST_F(ReceiveTest, SecondCompletionOfAPacketIsCountedAndChangesNothing) {
  FakeNetvsc& netvsc = driver();
  ASSERT_TRUE(give_frame(test_frame(64)));
  const auto received = netvsc.receive();
  ASSERT_TRUE(received);
  netvsc.give_back(received->transaction_id);
  netvsc.give_back(0);
  netvsc.give_back(~uint64_t{0});
  EXPECT_EQ(errors(GuestError::kUnknownCompletion), 3u);
  ASSERT_TRUE(give_frame(test_frame(80)));
  EXPECT_TRUE(netvsc.receive());
}

TEST_F(ReceiveTest, FrameLongerThanTheMtuIsDroppedWithoutRsc) {
  ASSERT_NE(&driver(), nullptr);
  EXPECT_TRUE(give_frame(test_frame(5000)));
  EXPECT_FALSE(driver().receive());
  EXPECT_EQ(adapter_->statistics().too_long.get(), 1u);
  EXPECT_FALSE(adapter_->features().segmentation);
}

TEST_F(ReceiveTest, WithRscALongFrameComesInPiecesOfOnePacket) {
  FakeNetvsc& netvsc = driver();
  OffloadParameters parameters{};
  parameters.header = {object_type::kDefault, 3, uint16_t{sizeof(parameters)}};
  parameters.rsc_ipv4 = offload_choice::kEnabled;
  parameters.rsc_ipv6 = offload_choice::kEnabled;
  ASSERT_EQ(netvsc.set(oid::kOffloadParameters, wire_bytes(parameters)), rndis_status::kSuccess);
  ASSERT_TRUE(adapter_->features().segmentation);
  const Bytes frame = test_frame(40000);
  ASSERT_TRUE(give_frame(frame));
  const auto received = netvsc.receive();
  ASSERT_TRUE(received);
  ASSERT_GT(received->messages.size(), 20u);
  Bytes whole;
  for (size_t i = 0; i < received->messages.size(); ++i) {
    const Bytes piece = frame_of(received->messages[i]);
    whole.insert(whole.end(), piece.begin(), piece.end());
    const auto id = info_of(received->messages[i], info_type::kPacketId);
    ASSERT_TRUE(id);
    EXPECT_EQ((*id >> 8 & kFirstPiece) != 0, i == 0);
    EXPECT_EQ((*id >> 8 & kLastPiece) != 0, i + 1 == received->messages.size());
  }
  EXPECT_EQ(whole, frame);
}

TEST_F(ReceiveTest, HashChoosesTheChannelThatTheTableNames) {
  FakeNetvsc& netvsc = driver();
  ASSERT_TRUE(netvsc.nvsp(make_message(message_type::kSubChannel, SubChannelRequest{1u, 1u})));
  const auto offer = guest_.wait_for<vmbus::OfferChannel>(vmbus::message_type::kOfferChannel);
  ASSERT_TRUE(offer);
  auto second = open(offer->relid);
  struct {
    ScaleParameters parameters;
    std::array<le32, kHashTableEntries> table;
    std::array<uint8_t, kHashKeyBytes> key;
  } scale{};
  scale.parameters.table_offset = uint32_t{sizeof(ScaleParameters)};
  scale.parameters.table_bytes = uint16_t{sizeof(scale.table)};
  scale.parameters.key_offset =
      static_cast<uint32_t>(sizeof(ScaleParameters) + sizeof(scale.table));
  scale.parameters.key_bytes = uint16_t{kHashKeyBytes};
  for (le32& entry : scale.table)
    entry = 1;
  ASSERT_EQ(netvsc.set(oid::kReceiveScaleParameters, std::as_bytes(std::span(&scale, 1))),
            rndis_status::kSuccess);
  Bytes frame = test_frame(100, kGuestMac, 0x0800);
  frame[14] = std::byte{0x45};
  ASSERT_TRUE(give_frame(frame));
  ASSERT_TRUE(give_frame(test_frame(100)));  // neither IPv4 nor IPv6
  EXPECT_EQ(netvsc.receive()->messages.size(), 1u);
  const vmbus::GuestPacket* packet = second->channel().receive_one();
  ASSERT_NE(packet, nullptr);
  EXPECT_EQ(packet->descriptor.type.get(), vmbus::packet_type::kDataUsingTransferPages);
}

TEST_F(ReceiveTest, LinkThatGoesDownIsTold) {
  FakeNetvsc& netvsc = driver();
  adapter_->set_link(false);
  const auto told = netvsc.receive();
  ASSERT_TRUE(told);
  EXPECT_EQ(told->channel_type, kChannelControl);
  const auto status = read_wire<IndicateStatus>(told->messages[0], sizeof(RndisHeader));
  ASSERT_TRUE(status);
  EXPECT_EQ(status->status.get(), rndis_status::kMediaDisconnect);
  EXPECT_EQ(netvsc.query(oid::kMediaConnectStatus), Bytes({std::byte{1}, {}, {}, {}}));
  adapter_->set_link(false);
  EXPECT_FALSE(netvsc.receive()) << "it is so already";
}

}  // namespace
}  // namespace viridian::netvsp
