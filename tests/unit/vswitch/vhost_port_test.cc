// What passes through a vhost-user port, and how it sleeps.
#include "tests/fakes/patch_cable.h"
#include "tests/unit/vswitch/ip_frames.h"
#include "tests/unit/vswitch/vhost_fixture.h"
#include "vswitch/offload.h"

namespace viridian::vswitch {
namespace {

using VhostPortTest = VhostFixture;

constexpr uint8_t kNeedsChecksum = 1;
constexpr uint8_t kTcpIpv4 = 1;
constexpr uint8_t kTcpIpv6 = 4;

Bytes tcp_header() {
  return be(1000) + be(2000) + Bytes{0, 0, 1, 0, 0, 0, 0, 0, 0x50, 0x10} + be(512) +
         Bytes{0xAB, 0xCD, 0, 0};
}

Bytes tcp_frame(bool is_ipv4, size_t payload_bytes) {
  const Bytes segment = tcp_header() + numbered_frame(payload_bytes);
  return ip_frame(is_ipv4 ? ipv4(6, segment) : ipv6(6, segment)).bytes;
}

fakes::NetHeader tcp_offload(bool is_ipv4, uint16_t segment_bytes) {
  fakes::NetHeader header = {};
  header.flags = kNeedsChecksum;
  header.checksum_start = is_ipv4 ? 34 : 54;
  header.checksum_offset = 16;
  if (segment_bytes != 0) {
    header.segment_type = is_ipv4 ? kTcpIpv4 : kTcpIpv6;
    header.segment_bytes = segment_bytes;
    header.header_bytes = is_ipv4 ? 54 : 74;
  }
  return header;
}

// The same as the switch has it; `bytes` beyond the first segment in others.
rte_mbuf* tcp_mbuf(rte_mempool* pool, const Bytes& bytes, bool is_ipv4, uint16_t segment_bytes) {
  fakes::PlainFrame plain{.bytes = bytes, .tag = std::nullopt};
  plain.flags = kFrameTcp | (is_ipv4 ? kFrameIpv4 : kFrameIpv6);
  if (segment_bytes != 0) plain.flags |= kFrameSegment;
  plain.l2_bytes = 14;
  plain.l3_bytes = is_ipv4 ? 20 : 40;
  plain.l4_bytes = 20;
  plain.segment_bytes = segment_bytes;
  return fakes::to_mbuf(plain, pool);
}

TEST_F(VhostPortTest, FramesPassBothWays) {
  open_and_connect();
  guest_.offer(100);
  for (const size_t size : {60U, 1514U, 2036U, 9014U}) {
    guest_.give(numbered_frame(size));
    EXPECT_EQ(taken(), numbered_frame(size));
    rte_mbuf* frame = fakes::to_mbuf({.bytes = numbered_frame(size), .tag = {}}, pool_.get(), 700);
    ASSERT_TRUE(transmit(frame));
    rte_pktmbuf_free(frame);
    EXPECT_EQ(arrived().bytes, numbered_frame(size));
  }
}

// rte_vhost leaves in its caller's array what it has freed.
TEST_F(VhostPortTest, FrameWithoutAnyByteIsNone) {
  open_and_connect();
  for (int i = 0; i < 3; ++i) {
    guest_.give({});
    EXPECT_TRUE(carrier());  // which arms
    rte_mbuf* frame = nullptr;
    worker_->call([&] { EXPECT_EQ(port_->receive({&frame, 1}), 0); });
    guest_.give(numbered_frame(60));
    EXPECT_EQ(taken(), numbered_frame(60));
  }
}

// After a migration the front end asks for it; the next frame of the guest is behind it.
TEST_F(VhostPortTest, AnnouncementOfAGuestThatMovedHereComesFirst) {
  open_and_connect();
  const le64 address = [] {
    le64 bytes = {};
    bytes = 0x0605'0403'0202;
    return bytes;
  }();
  guest_.send(fakes::vhost_request::kSendRarp, address);
  guest_.ask(fakes::vhost_request::kGetFeatures);  // it was handled
  guest_.give(numbered_frame(60));
  const Bytes announcement = taken();
  ASSERT_GE(announcement.size(), 14U);
  EXPECT_EQ(Bytes(announcement.begin() + 6, announcement.begin() + 14),
            (Bytes{2, 2, 3, 4, 5, 6, 0x80, 0x35}));
  EXPECT_EQ(taken(), numbered_frame(60));
}

TEST_F(VhostPortTest, ManyFramesKeepTheirOrder) {
  open_and_connect();
  for (size_t i = 0; i < 1000; ++i) {
    guest_.offer(1);
    guest_.give(numbered_frame(60 + i));
    ASSERT_EQ(taken(), numbered_frame(60 + i));
    ASSERT_TRUE(give(numbered_frame(60 + i)));
    ASSERT_EQ(arrived().bytes, numbered_frame(60 + i));
  }
}

TEST_F(VhostPortTest, OffloadsOfTheGuestAreSaidInTheFrame) {
  open_and_connect();
  for (const bool is_ipv4 : {true, false}) {
    for (const uint16_t segment_bytes : {uint16_t{0}, uint16_t{1400}}) {
      const Bytes bytes = tcp_frame(is_ipv4, segment_bytes == 0 ? 500 : 30000);
      guest_.give(bytes, tcp_offload(is_ipv4, segment_bytes));
      rte_mbuf* frame = receive();
      EXPECT_EQ(bytes_of(*frame), bytes);
      const uint64_t large = kFrameSegment | (is_ipv4 ? kFrameIpChecksum : 0);
      EXPECT_EQ(frame->ol_flags,
                kFrameTcp | (is_ipv4 ? kFrameIpv4 : kFrameIpv6) | (segment_bytes != 0 ? large : 0));
      EXPECT_EQ(frame->tso_segsz, segment_bytes);
      EXPECT_TRUE(offloads_fit(*frame));
      rte_pktmbuf_free(frame);
    }
  }
}

TEST_F(VhostPortTest, ChecksumOfUdpIsSaidInTheFrame) {
  open_and_connect();
  const Bytes bytes = ip_frame(ipv4(17, udp(1, 2, Bytes(100)))).bytes;
  fakes::NetHeader header = {};
  header.flags = kNeedsChecksum;
  header.checksum_start = 34;
  header.checksum_offset = 6;
  guest_.give(bytes, header);
  rte_mbuf* frame = receive();
  EXPECT_EQ(frame->ol_flags, kFrameUdp | kFrameIpv4);
  EXPECT_TRUE(offloads_fit(*frame));
  rte_pktmbuf_free(frame);
}

TEST_F(VhostPortTest, OffloadsOfTheFrameAreSaidToTheGuestAndNothingIsWritten) {
  open_and_connect();
  for (const bool is_ipv4 : {true, false}) {
    for (const uint16_t segment_bytes : {uint16_t{0}, uint16_t{1400}}) {
      guest_.offer(20);
      const Bytes bytes = tcp_frame(is_ipv4, segment_bytes == 0 ? 500 : 30000);
      rte_mbuf* frame = tcp_mbuf(pool_.get(), bytes, is_ipv4, segment_bytes);
      rte_mbuf_refcnt_update(frame, 1);  // others have it too
      ASSERT_TRUE(transmit(frame));
      EXPECT_EQ(bytes_of(*frame), bytes);
      EXPECT_EQ(rte_mbuf_refcnt_read(frame), 2);
      EXPECT_EQ(frame->l2_len, 14);
      rte_mbuf_refcnt_update(frame, -1);
      rte_pktmbuf_free(frame);
      const fakes::VhostFrame got = arrived();
      EXPECT_EQ(got.bytes, bytes);
      const fakes::NetHeader expected = tcp_offload(is_ipv4, segment_bytes);
      EXPECT_EQ(got.header.flags, expected.flags);
      EXPECT_EQ(got.header.segment_type, expected.segment_type);
      EXPECT_EQ(got.header.header_bytes.get(), expected.header_bytes.get());
      EXPECT_EQ(got.header.segment_bytes.get(), expected.segment_bytes.get());
      EXPECT_EQ(got.header.checksum_start.get(), expected.checksum_start.get());
      EXPECT_EQ(got.header.checksum_offset.get(), expected.checksum_offset.get());
    }
  }
}

TEST_F(VhostPortTest, TagGoesIntoTheFrameAndMovesItsOffloads) {
  open_and_connect();
  guest_.offer(20);
  ASSERT_TRUE(give(numbered_frame(60), kFrameVlan, 0x2064));
  Bytes expected = numbered_frame(60);
  expected.insert(expected.begin() + 12, {0x81, 0x00, 0x20, 0x64});
  EXPECT_EQ(arrived().bytes, expected);

  expected = tcp_frame(true, 5000);
  rte_mbuf* frame = tcp_mbuf(pool_.get(), expected, true, 1400);
  frame->ol_flags |= kFrameVlan;
  frame->vlan_tci = 5;
  ASSERT_TRUE(transmit(frame));
  EXPECT_EQ(bytes_of(*frame), expected);
  rte_pktmbuf_free(frame);
  expected.insert(expected.begin() + 12, {0x81, 0x00, 0x00, 0x05});
  const fakes::VhostFrame got = arrived();
  EXPECT_EQ(got.bytes, expected);
  EXPECT_EQ(got.header.checksum_start.get(), 38);
  EXPECT_EQ(got.header.header_bytes.get(), 58);
}

TEST_F(VhostPortTest, PortTakesWhatTheGuestAgreedOn) {
  open_and_connect(fakes::kVhostGuestChecksum | fakes::kVhostGuestTso);
  EXPECT_TRUE(features().checksum);
  EXPECT_TRUE(features().segmentation);
  guest_.stop();
  guest_.start(fakes::kVhostGuestChecksum);
  wait_until([&] { return carrier() && !features().segmentation; });
  EXPECT_TRUE(features().checksum);
  guest_.stop();
  guest_.start(fakes::kVhostMergeable);
  wait_until([&] { return carrier() && !features().checksum; });
  EXPECT_EQ(features().mtu, 1500);
}

TEST_F(VhostPortTest, WhatTheGuestHasNoRoomForIsNotTaken) {
  open_and_connect();
  guest_.offer(3);
  std::vector<rte_mbuf*> frames;
  for (size_t i = 0; i < 5; ++i)
    frames.push_back(mbuf_of(pool_.get(), numbered_frame(100 + i)));
  frames[1]->ol_flags = frames[4]->ol_flags = kFrameVlan;
  uint16_t count = 0;
  worker_->call([&] { count = port_->transmit(frames); });
  EXPECT_EQ(count, 3);
  EXPECT_EQ(bytes_of(*frames[4]), numbered_frame(104));
  rte_pktmbuf_free_bulk(frames.data(), 5);
}

TEST_F(VhostPortTest, GuestRingsOnlyAWorkerThatSleeps) {
  open_and_connect();
  worker_->call([&] { port_->disarm(); });
  EXPECT_FALSE(guest_.wants_kick());
  worker_->call([&] { EXPECT_TRUE(port_->arm()); });
  EXPECT_TRUE(guest_.wants_kick());
  worker_->call([&] { port_->disarm(); });
  EXPECT_FALSE(guest_.wants_kick());
}

TEST_F(VhostPortTest, WorkerMayNotSleepWhileAFrameWaits) {
  open_and_connect();
  guest_.give(numbered_frame(100));
  worker_->call([&] {
    EXPECT_FALSE(port_->arm());
    EXPECT_FALSE(port_->arm());
  });
  guest_.give(numbered_frame(101));
  EXPECT_EQ(taken(), numbered_frame(100));
  EXPECT_EQ(taken(), numbered_frame(101));
}

// Nobody but the guests' doorbells wakes the worker here.
TEST_F(VhostPortTest, DoorbellWakesTheWorker) {
  open_and_connect();
  const std::string other_path = folder_.file("other.sock");
  std::unique_ptr<VhostPort> other;
  fakes::FakeVhostGuest other_guest;
  connect(other, other_guest, other_path);
  other_guest.start(kAllFeatures);
  wait_until([&] {
    bool there = false;
    worker_->call([&] { there = !other->arm() || other->carrier(); });
    return there;
  });
  PatchCable cable(*port_, *other);
  worker_->call([&] { worker_->reactor().attach(cable); });
  for (size_t i = 0; i < 300; ++i) {
    guest_.offer(1);
    other_guest.offer(1);
    fakes::VhostFrame frame;
    guest_.give(numbered_frame(60 + i));
    wait_until([&] { return other_guest.take(frame); });
    EXPECT_EQ(frame.bytes, numbered_frame(60 + i));
    other_guest.give(frame.bytes);
    EXPECT_EQ(arrived().bytes, numbered_frame(60 + i));
  }
  worker_->call([&] { worker_->reactor().detach(cable); });
  close(other);
}

}  // namespace
}  // namespace viridian::vswitch
