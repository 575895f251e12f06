// What the switch does in software for a port that cannot: checksums and segments.
#include "vswitch/offload.h"

#include "tests/unit/vswitch/tcp_frames.h"

namespace viridian::vswitch {
namespace {

constexpr uint8_t kAllFlags = 0x99;  // CWR, ACK, PSH, FIN

class Offload : public SwitchTest {};

// The payload of all segments together, after each was checked.
Bytes joined(const std::vector<fakes::PlainFrame>& segments, bool v6, size_t most) {
  const size_t transport = v6 ? 54U : 34U;
  Bytes payload;
  for (size_t i = 0; i < segments.size(); ++i) {
    const Bytes& bytes = segments[i].bytes;
    EXPECT_LE(bytes.size(), transport + 20 + most);
    EXPECT_EQ(transport_sum(bytes), 0xFFFF);
    if (!v6) {
      EXPECT_EQ(sum_of(part(bytes, 14, 20)), 0xFFFF);
      EXPECT_EQ(word(bytes, 16), bytes.size() - 14);
      EXPECT_EQ(word(bytes, 18), 1 + i);
    } else {
      EXPECT_EQ(word(bytes, 18), bytes.size() - 54);
    }
    EXPECT_EQ(uint32_t{word(bytes, transport + 4)} << 16 | word(bytes, transport + 6),
              0x100 + payload.size());
    const bool first = i == 0;
    const bool last = i + 1 == segments.size();
    EXPECT_EQ(bytes[transport + 13], 0x10 | (first ? 0x80 : 0) | (last ? 0x09 : 0));
    EXPECT_EQ(segments[i].flags, kFrameChecksumGood);
    payload = payload + part(bytes, transport + 20, bytes.size() - transport - 20);
  }
  return payload;
}

TEST_F(Offload, LargeFrameIsCutForAPortThatCannot) {
  for (const bool v6 : {false, true}) {
    for (const size_t payload : {1U, 1460U, 1461U, 4000U, 65000U}) {
      SwitchSettings settings;
      VirtualSwitch bridge(settings, pool_);
      fakes::FakePort from(pool_);
      fakes::FakePort to(pool_);
      ASSERT_TRUE(bridge.add_port(from, {.name = "a"}));
      ASSERT_TRUE(bridge.add_port(to, {.name = "b"}));
      const fakes::PlainFrame frame = large_tcp(v6, payload, 1440, kAllFlags);
      from.bring(frame);
      bridge.turn(now_ns_);
      const auto segments = to.take();
      EXPECT_EQ(segments.size(), (payload + 1439) / 1440);
      const size_t headers = v6 ? 74U : 54U;
      EXPECT_EQ(joined(segments, v6, 1440), part(frame.bytes, headers, payload));
    }
  }
}

TEST_F(Offload, PortThatCanGetsTheLargeFrameWithItsHeadersFilledIn) {
  add();
  add({}, {.checksum = true, .segmentation = true});
  send(0, large_tcp(false, 4000, 1440, kAllFlags));
  const auto taken = ports_[1]->take();
  ASSERT_EQ(taken.size(), 1U);
  EXPECT_EQ(word(taken[0].bytes, 16), taken[0].bytes.size() - 14);
  EXPECT_EQ(sum_of(part(taken[0].bytes, 14, 20)), 0xFFFF);
  EXPECT_EQ(taken[0].segment_bytes, 1440);
}

TEST_F(Offload, WhatAPortCanIsAskedAgain) {
  add();
  add();
  send(0, kBroadcast, station(1));
  ports_[1]->take();
  ports_[1]->features_ = {.checksum = true, .segmentation = true};
  send(0, large_tcp(false, 4000, 1440, kAllFlags));
  EXPECT_EQ(receivers(), (Ids{1}));
  ports_[1]->features_ = {.mtu = 50};
  send(0, fakes::ethernet(kBroadcast, station(1), 0x88B5, Bytes(51)));
  EXPECT_EQ(dropped(1, DropReason::kMtu), 1U);
}

TEST_F(Offload, MtuIsComparedWithTheSegment) {
  add();
  add({}, {.checksum = true, .segmentation = true, .mtu = 1480});
  send(0, large_tcp(false, 4000, 1440, kAllFlags));
  EXPECT_EQ(receivers(), (Ids{1}));
  send(0, large_tcp(false, 4000, 1441, kAllFlags));
  EXPECT_EQ(dropped(1, DropReason::kMtu), 1U);
}

TEST_F(Offload, ChecksumsAreWorkedOffForAPortThatCannot) {
  for (const uint8_t protocol : {uint8_t{6}, uint8_t{17}}) {
    for (const bool v6 : {false, true}) {
      VirtualSwitch bridge({}, pool_);
      fakes::FakePort from(pool_);
      fakes::FakePort plain(pool_);
      fakes::FakePort able(pool_, {.checksum = true});
      fakes::FakePort not_udp(pool_, {.checksum = true, .udp_checksum = false});
      ASSERT_TRUE(bridge.add_port(from, {.name = "a"}));
      ASSERT_TRUE(bridge.add_port(able, {.name = "b"}));
      ASSERT_TRUE(bridge.add_port(plain, {.name = "c"}));
      ASSERT_TRUE(bridge.add_port(not_udp, {.name = "d"}));
      const Bytes transport = protocol == 6 ? tcp(Bytes(101, 3), 0x10) : udp(1, 2, Bytes(101, 3));
      fakes::PlainFrame frame =
          ip_frame(v6 ? ipv6(protocol, transport) : ipv4(protocol, transport));
      frame.flags = (protocol == 6 ? kFrameTcp : kFrameUdp) |
                    (v6 ? kFrameIpv6 : kFrameIpv4 | kFrameIpChecksum);
      frame.l2_bytes = 14;
      frame.l3_bytes = v6 ? 40 : 20;
      frame.l4_bytes = protocol == 6 ? 20 : 8;
      from.bring(frame);
      bridge.turn(now_ns_);
      const auto made = plain.take();
      ASSERT_EQ(made.size(), 1U);
      EXPECT_EQ(transport_sum(made[0].bytes), 0xFFFF);
      if (!v6) {
        EXPECT_EQ(sum_of(part(made[0].bytes, 14, 20)), 0xFFFF);
      }
      EXPECT_EQ(made[0].flags, kFrameChecksumGood);
      // It is a broadcast: the other port has the frame as it came.
      EXPECT_EQ(able.take().at(0).flags, frame.flags);
      EXPECT_EQ(not_udp.take().at(0).flags, protocol == 6 ? frame.flags : kFrameChecksumGood);
    }
  }
}

TEST_F(Offload, OffloadsThatDoNotFitAreDropped) {
  add();
  add();
  const fakes::PlainFrame good = large_tcp(false, 4000, 1440, kAllFlags);
  const auto refused = [&](auto&& spoil) {
    fakes::PlainFrame frame = good;
    spoil(frame);
    const uint64_t before = dropped(0, DropReason::kBadOffload);
    send(0, frame);
    return dropped(0, DropReason::kBadOffload) == before + 1;
  };
  EXPECT_TRUE(refused([](auto& frame) { frame.segment_bytes = 0; }));
  EXPECT_TRUE(refused([](auto& frame) { frame.segment_bytes = 15; }));
  EXPECT_TRUE(refused([](auto& frame) { frame.l2_bytes = 0; }));
  EXPECT_TRUE(refused([](auto& frame) { frame.l3_bytes = 24; }));
  EXPECT_TRUE(refused([](auto& frame) { frame.l4_bytes = 8; }));
  EXPECT_TRUE(refused([](auto& frame) { frame.l4_bytes = 60; }));
  EXPECT_TRUE(refused([](auto& frame) { frame.bytes[14] = 0x65; }));
  EXPECT_TRUE(refused([](auto& frame) { frame.flags |= kFrameIpv6; }));
  EXPECT_TRUE(refused([](auto& frame) { frame.bytes.resize(40); }));
  EXPECT_TRUE(refused([](auto& frame) { frame.flags &= ~kFrameSegment; }));
}

TEST_F(Offload, WithoutAPoolALargeFrameIsDroppedAndCounted) {
  add();
  add();
  send(0, large_tcp(false, 4000, 1440, kAllFlags));
  EXPECT_EQ(dropped(1, DropReason::kNoBuffer), 3U);
}

}  // namespace
}  // namespace viridian::vswitch
