#include "tests/unit/netvsp/netvsp_fixture.h"

namespace viridian::netvsp {
namespace {

using SendTest = NetvspTest;

// An IPv4 TCP frame with `payload` bytes of data, without any checksum.
Bytes tcp_frame(size_t payload, bool with_length = true) {
  Bytes frame = test_frame(14 + 20 + 20 + payload, kOtherMac, 0x0800);
  auto put = [&](size_t at, std::initializer_list<int> bytes) {
    for (const int byte : bytes)
      frame[at++] = static_cast<std::byte>(byte);
  };
  const auto length = static_cast<int>(with_length ? 40 + payload : 0);
  put(14,
      {0x45, 0, length >> 8, length & 255, 0, 1, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2});
  put(34, {0x12, 0x34, 0, 80, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x10, 1, 0, 0, 0, 0, 0});
  return frame;
}

TEST_F(SendTest, FrameInASectionArrivesAndIsAnsweredWhenItIsFreed) {
  FakeNetvsc& netvsc = driver();
  const Bytes frame = test_frame(1514, kOtherMac);
  ASSERT_TRUE(netvsc.send_section(7, 2, rndis_packet(frame)));
  rte_mbuf* kept = nullptr;
  EXPECT_EQ(take_frame(&kept), frame);
  EXPECT_FALSE(netvsc.answer_of(7)) << "its payload is still in use";
  rte_pktmbuf_free(kept);
  EXPECT_EQ(netvsc.answer_of(7), status::kSuccess);
}

TEST_F(SendTest, FrameInPagesOfTheGuestArrives) {
  const Bytes frame = test_frame(9000, kOtherMac);
  ASSERT_TRUE(driver().send_direct(8, rndis_packet(frame), 3000));
  EXPECT_EQ(take_frame(), frame);
  EXPECT_EQ(driver().answer_of(8), status::kSuccess);
}

TEST_F(SendTest, SeveralFramesInOneSectionArriveInOrderAndAreAnsweredOnce) {
  Bytes message;
  for (const size_t size : {60u, 300u, 1000u}) {
    const Bytes one = rndis_packet(test_frame(size, kOtherMac));
    message.insert(message.end(), one.begin(), one.end());
  }
  ASSERT_TRUE(driver().send_section(9, 1, message));
  EXPECT_EQ(take_frame(), test_frame(60, kOtherMac));
  EXPECT_EQ(take_frame(), test_frame(300, kOtherMac));
  EXPECT_FALSE(driver().answer_of(9));
  EXPECT_EQ(take_frame(), test_frame(1000, kOtherMac));
  EXPECT_TRUE(take_frame().empty());
  EXPECT_EQ(driver().answer_of(9), status::kSuccess);
  EXPECT_FALSE(driver().answer_of(9));
}

TEST_F(SendTest, HeadersAreACopyThatTheGuestCannotChange) {
  const Bytes frame = test_frame(1514, kOtherMac);
  ASSERT_TRUE(driver().send_section(7, 0, rndis_packet(frame)));
  rte_mbuf* kept = nullptr;
  ASSERT_EQ(take_frame(&kept), frame);
  std::memset(driver().send_page(0), 0xEE, 4096);
  EXPECT_EQ(std::memcmp(rte_pktmbuf_mtod(kept, const void*), frame.data(), kHeaderBytes), 0);
  EXPECT_EQ(kept->data_len, kHeaderBytes);
  rte_pktmbuf_free(kept);
}

TEST_F(SendTest, PayloadStaysInTheGuestsPages) {
  const Bytes frame = test_frame(1514, kOtherMac);
  ASSERT_TRUE(driver().send_section(7, 0, rndis_packet(frame)));
  rte_mbuf* kept = nullptr;
  ASSERT_EQ(take_frame(&kept), frame);
  const std::byte* page = driver().send_page(0);
  ASSERT_NE(kept->next, nullptr);
  const auto* payload = rte_pktmbuf_mtod(kept->next, const std::byte*);
  EXPECT_TRUE(payload > page && payload + kept->next->data_len <= page + 4096);
  EXPECT_EQ(kept->data_len + kept->next->data_len, frame.size());
  EXPECT_EQ(adapter_->statistics().header_bytes.get(), kHeaderBytes);
  rte_pktmbuf_free(kept);
}

TEST_F(SendTest, AFullPacketOfSmallFramesIsAnsweredWhenItsLastFrameIsFreed) {
  Bytes message;
  for (uint32_t i = 0; i < kMaxFramesPerSend; ++i) {
    const Bytes one = rndis_packet(test_frame(100, kOtherMac));
    message.insert(message.end(), one.begin(), one.end());
  }
  ASSERT_TRUE(driver().send_section(9, 1, message));
  for (uint32_t i = 0; i < kMaxFramesPerSend; ++i) {
    EXPECT_FALSE(driver().answer_of(9));
    EXPECT_EQ(take_frame(), test_frame(100, kOtherMac));
  }
  EXPECT_EQ(driver().answer_of(9), status::kSuccess);
}

TEST_F(SendTest, TagOfTheMessageIsTheFramesTag) {
  const Info vlan = {info_type::kVlan, 5u | 100u << 4};  // priority 5, id 100
  ASSERT_TRUE(driver().send_section(7, 0, rndis_packet(test_frame(100, kOtherMac), {&vlan, 1})));
  rte_mbuf* kept = nullptr;
  ASSERT_FALSE(take_frame(&kept).empty());
  EXPECT_EQ(vswitch::vlan_of(*kept), 100);
  EXPECT_EQ(kept->vlan_tci, 5 << 13 | 100);
  rte_pktmbuf_free(kept);
}

TEST_F(SendTest, TagWithinTheFrameIsTakenOut) {
  Bytes frame = test_frame(100, kOtherMac, 0x8100);
  frame[14] = std::byte{0x20};
  frame[15] = std::byte{42};
  ASSERT_TRUE(driver().send_section(7, 0, rndis_packet(frame)));
  rte_mbuf* kept = nullptr;
  const Bytes taken = take_frame(&kept);
  Bytes expected(frame.begin(), frame.begin() + 12);
  expected.insert(expected.end(), frame.begin() + 16, frame.end());
  EXPECT_EQ(taken, expected);
  EXPECT_EQ(kept->vlan_tci, 1 << 13 | 42);
  rte_pktmbuf_free(kept);
}

TEST_F(SendTest, ChecksumOffloadSaysWhereTheHeadersAre) {
  const Info checksum = {info_type::kChecksum, checksum_request::kIpv4 | checksum_request::kTcp};
  ASSERT_TRUE(driver().send_section(7, 0, rndis_packet(tcp_frame(500), {&checksum, 1})));
  rte_mbuf* kept = nullptr;
  const Bytes taken = take_frame(&kept);
  ASSERT_FALSE(taken.empty());
  EXPECT_EQ(kept->ol_flags & vswitch::kFrameTransportMask, vswitch::kFrameTcp);
  EXPECT_NE(kept->ol_flags & vswitch::kFrameIpv4, 0u);
  EXPECT_EQ(kept->l2_len, 14);
  EXPECT_EQ(kept->l3_len, 20);
  EXPECT_EQ(kept->l4_len, 20);
  // 10.0.0.1 + 10.0.0.2 + TCP + its length, folded: the pseudo header of RFC 793.
  const uint32_t sum = 0x0a00 + 0x0001 + 0x0a00 + 0x0002 + 6 + 520;
  EXPECT_EQ(taken[50], static_cast<std::byte>(sum >> 8));
  EXPECT_EQ(taken[51], static_cast<std::byte>(sum & 255));
  rte_pktmbuf_free(kept);
}

TEST_F(SendTest, LargeSendGetsTheLengthAndSumThatNdisLeavesOut) {
  const Info large = {info_type::kLargeSend, 1460u | 34u << 20 | 1u << 30};
  ASSERT_TRUE(driver().send_direct(7, rndis_packet(tcp_frame(20000, false), {&large, 1})));
  rte_mbuf* kept = nullptr;
  const Bytes taken = take_frame(&kept);
  ASSERT_EQ(taken.size(), 54u + 20000);
  EXPECT_NE(kept->ol_flags & vswitch::kFrameSegment, 0u);
  EXPECT_EQ(kept->tso_segsz, 1460);
  EXPECT_EQ(std::to_integer<int>(taken[16]) << 8 | std::to_integer<int>(taken[17]), 20040);
  uint32_t sum = 0;
  for (size_t i = 14; i < 34; i += 2)
    sum += std::to_integer<uint32_t>(taken[i]) << 8 | std::to_integer<uint32_t>(taken[i + 1]);
  EXPECT_EQ((sum & 0xFFFF) + (sum >> 16), 0xFFFFu) << "the header's checksum";
  const uint32_t pseudo = 0x0a00 + 0x0001 + 0x0a00 + 0x0002 + 6 + 20020;
  EXPECT_EQ(taken[50], static_cast<std::byte>(pseudo >> 8)) << "with the length: kernels want it";
  EXPECT_EQ(taken[51], static_cast<std::byte>(pseudo & 255));
  rte_pktmbuf_free(kept);
}

TEST_F(SendTest, OffloadOfAProtocolThatTheFrameIsNotIsRefused) {
  const Info checksum = {info_type::kChecksum, checksum_request::kIpv4 | checksum_request::kTcp};
  ASSERT_TRUE(
      driver().send_section(7, 0, rndis_packet(test_frame(100, kOtherMac), {&checksum, 1})));
  EXPECT_TRUE(take_frame().empty());
  EXPECT_EQ(driver().answer_of(7), status::kInvalidRndisPacket);
  EXPECT_EQ(errors(GuestError::kBadFrame), 1u);
}

TEST_F(SendTest, BadMessageAmongGoodOnesCostsItselfOnly) {
  Bytes message = rndis_packet(test_frame(60, kOtherMac));
  Bytes bad = rndis_packet(test_frame(60, kOtherMac));
  RndisPacket packet = *read_wire<RndisPacket>(bad, sizeof(RndisHeader));
  packet.data_length = 5000;
  write_wire(std::span(bad), packet, sizeof(RndisHeader));
  message.insert(message.end(), bad.begin(), bad.end());
  const Bytes last = rndis_packet(test_frame(80, kOtherMac));
  message.insert(message.end(), last.begin(), last.end());
  ASSERT_TRUE(driver().send_section(7, 0, message));
  EXPECT_EQ(take_frame().size(), 60u);
  EXPECT_EQ(take_frame().size(), 80u);
  EXPECT_EQ(driver().answer_of(7), status::kInvalidRndisPacket);
  EXPECT_EQ(errors(GuestError::kBadRndis), 1u);
}

TEST_F(SendTest, LengthsThatLeaveTheMessageAreRefused) {
  struct Case {
    size_t at;
    uint32_t value;
  };
  // RndisHeader.length, then RndisPacket's data offset and length, information offset and length.
  const Case cases[] = {{4, 0},           {4, 7},           {4, 0xFFFFFFFF},
                        {8, 0xFFFFFFF0},  {12, 0xFFFFFFFF}, {12, 13},
                        {28, 0xFFFFFFFF}, {32, 0xFFFFFFF0}, {32, 11}};
  uint64_t id = 100;
  const Info vlan = {info_type::kVlan, 16};
  for (const Case& one : cases) {
    Bytes message = rndis_packet(test_frame(100, kOtherMac), {&vlan, 1});
    write_wire(std::span(message), le32(one.value), one.at);
    ASSERT_TRUE(driver().send_section(++id, 0, message));
    EXPECT_TRUE(take_frame().empty()) << "field at " << one.at << " is " << one.value;
    EXPECT_EQ(driver().answer_of(id), status::kInvalidRndisPacket);
  }
}

TEST_F(SendTest, PacketInformationThatDoesNotGoOnIsRefused) {
  for (const uint32_t size : {0u, 4u, 13u, 0xFFFFFFFFu}) {
    const Info vlan = {info_type::kVlan, 16};
    Bytes message = rndis_packet(test_frame(100, kOtherMac), {&vlan, 1});
    write_wire(std::span(message), le32(size), sizeof(RndisHeader) + sizeof(RndisPacket));
    ASSERT_TRUE(driver().send_section(7, 0, message));
    EXPECT_TRUE(take_frame().empty());
    EXPECT_EQ(driver().answer_of(7), status::kInvalidRndisPacket);
  }
  EXPECT_EQ(errors(GuestError::kBadPacketInfo), 4u);
}

TEST_F(SendTest, SectionBehindTheSendBufferIsRefused) {
  ASSERT_TRUE(driver().send_section(7, 100000, 200));
  ASSERT_TRUE(driver().send_section(8, 0, kSendSectionBytes + 1));
  EXPECT_TRUE(take_frame().empty());
  EXPECT_EQ(driver().answer_of(7), status::kInvalidRndisPacket);
  EXPECT_EQ(driver().answer_of(8), status::kInvalidRndisPacket);
  EXPECT_EQ(errors(GuestError::kBadSection), 2u);
}

TEST_F(SendTest, WithoutMemoryForFramesThePacketWaitsAndArrivesLater) {
  std::vector<rte_mbuf*> taken(kFrames);
  ASSERT_EQ(rte_pktmbuf_alloc_bulk(pool_.get(), taken.data(), kFrames), 0);
  FakeNetvsc& netvsc = driver();
  ASSERT_TRUE(netvsc.send_section(7, 0, rndis_packet(test_frame(1000, kOtherMac))));
  EXPECT_TRUE(take_frame().empty());
  EXPECT_FALSE(adapter_->arm()) << "a worker that slept now would not wake";
  rte_pktmbuf_free_bulk(taken.data(), kFrames);
  EXPECT_EQ(take_frame(), test_frame(1000, kOtherMac));
  EXPECT_EQ(netvsc.answer_of(7), status::kSuccess);
}

TEST_F(SendTest, CloseWaitsForTheFramesThatAreOut) {
  FakeNetvsc& netvsc = driver();
  ASSERT_TRUE(netvsc.send_section(7, 0, rndis_packet(test_frame(1514, kOtherMac))));
  rte_mbuf* kept = nullptr;
  ASSERT_FALSE(take_frame(&kept).empty());
  guest_.post(vmbus::message_type::kCloseChannel,
              vmbus::RelidMessage{{}, netvsc.channel().relid()});
  guest_.settle();
  rte_pktmbuf_free(kept);
  guest_.settle();
  driver_.reset();
  EXPECT_TRUE(take_frame().empty());
}

}  // namespace
}  // namespace viridian::netvsp
