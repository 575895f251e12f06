// Segments that become large frames, and those that must not.
#include "vswitch/coalesce.h"

#include "tests/unit/vswitch/tcp_frames.h"
#include "vswitch/offload.h"

namespace viridian::vswitch {
namespace {

using Frames = std::vector<fakes::PlainFrame>;

constexpr uint8_t kAck = 0x10;
constexpr uint8_t kPushAck = 0x18;
constexpr uint16_t kSegment = 1440;

// Frames come in at port 0, and go to port 1, which takes large ones, and to port 2, which does
// not.
class Coalesce : public SwitchTest {
 protected:
  Coalesce() : bridge_({}, pool_) {
    VlanSettings trunk = {.mode = VlanMode::kTrunk};
    trunk.allowed.set(5);
    EXPECT_TRUE(bridge_.add_port(from_, {.name = "from", .gro = true, .vlan = trunk}));
    EXPECT_TRUE(bridge_.add_port(able_, {.name = "able", .vlan = trunk}));
    EXPECT_TRUE(bridge_.add_port(plain_, {.name = "plain"}));
  }

  // What a network card makes of a large frame.
  Frames segments_of(const fakes::PlainFrame& large) {
    VirtualSwitch cutter({}, pool_);
    fakes::FakePort in(pool_);
    fakes::FakePort out(pool_);
    EXPECT_TRUE(cutter.add_port(in, {.name = "in"}));
    EXPECT_TRUE(cutter.add_port(out, {.name = "out"}));
    in.bring(large);
    cutter.turn(now_ns_);
    return out.take();
  }
  Frames segments(bool v6, size_t payload, uint8_t flags = kPushAck) {
    return segments_of(large_tcp(v6, payload, kSegment, flags));
  }

  Frames sent(const Frames& frames, uint16_t part_bytes = 2048) {
    for (const fakes::PlainFrame& frame : frames)
      from_.bring(fakes::to_mbuf(frame, pool_, part_bytes));
    bridge_.turn(now_ns_);
    return able_.take();
  }

  fakes::FakePort from_{pool_};
  fakes::FakePort able_{pool_, {.checksum = true, .segmentation = true}};
  fakes::FakePort plain_{pool_};
  VirtualSwitch bridge_;
};

// The sum of the pseudo header that a receiver completes.
uint16_t pseudo_sum(const Bytes& frame) {
  const bool v6 = word(frame, 12) != 0x0800;
  const auto length = static_cast<uint16_t>(frame.size() - (v6 ? 54 : 34));
  return sum_of((v6 ? part(frame, 22, 32) : part(frame, 26, 8)) + be(6) + be(length));
}

TEST_F(Coalesce, SegmentsBecomeTheFrameThatTheyWereCutFrom) {
  for (const bool v6 : {false, true}) {
    for (const size_t payload : {1441U, 2880U, 4000U, 60000U}) {
      const fakes::PlainFrame large = large_tcp(v6, payload, kSegment, kPushAck);
      const Frames cut = segments_of(large);
      for (const uint16_t part_bytes : {uint16_t{2048}, static_cast<uint16_t>(v6 ? 74 : 54)}) {
        if (part_bytes < kSegment && payload > 1441) continue;  // too many parts
        const Frames got = sent(cut, part_bytes);
        ASSERT_EQ(got.size(), 1U) << payload;
        const Bytes& bytes = got[0].bytes;
        const size_t headers = v6 ? 74 : 54;
        EXPECT_EQ(part(bytes, headers, payload), part(large.bytes, headers, payload));
        EXPECT_EQ(word(bytes, v6 ? 18 : 16), bytes.size() - (v6 ? 54 : 14));
        if (!v6) {
          EXPECT_EQ(sum_of(part(bytes, 14, 20)), 0xFFFF);
        }
        EXPECT_EQ(word(bytes, v6 ? 70 : 50), pseudo_sum(bytes));
        EXPECT_EQ(bytes[v6 ? 67 : 47], kPushAck);
        EXPECT_EQ(got[0].flags, large.flags);
        EXPECT_EQ(got[0].segment_bytes, kSegment);
        EXPECT_EQ(plain_.take(), cut) << "who takes no large frames has the segments as they came";
      }
    }
  }
}

TEST_F(Coalesce, PortThatIsNotToldToLeavesFramesAsTheyAre) {
  ASSERT_TRUE(bridge_.change_port(0, {.name = "from"}));
  const Frames cut = segments(false, 4000);
  EXPECT_EQ(sent(cut), cut);
}

TEST_F(Coalesce, PortCountsTheFramesThatCame) {
  const Frames cut = segments(false, 4000);
  sent(cut);
  const PortCounters& counters = *bridge_.counters(0);
  EXPECT_EQ(counters.rx_frames.get(), 3U);
  EXPECT_EQ(counters.coalesced.get(), 2U);
  EXPECT_EQ(counters.rx_bytes.get(), 4000U + 3 * 54);
}

void set_word(Bytes& bytes, size_t at, uint16_t value) {
  bytes[at] = static_cast<uint8_t>(value >> 8);
  bytes[at + 1] = static_cast<uint8_t>(value);
}

void mend_ip_sum(Bytes& bytes) {
  set_word(bytes, 24, 0);
  set_word(bytes, 24, static_cast<uint16_t>(~sum_of(part(bytes, 14, 20))));
}

TEST_F(Coalesce, SegmentThatDiffersStaysAlone) {
  const Frames cut = segments(false, 2 * size_t{kSegment});
  const auto count_with = [&](size_t which, auto&& spoil) {
    Frames frames = cut;
    spoil(frames[which]);
    mend_ip_sum(frames[which].bytes);
    const Frames got = sent(frames);
    plain_.take();
    EXPECT_TRUE(got.size() != 2 || got == frames);
    return got.size();
  };
  const auto byte = [](size_t at) {
    return [at](fakes::PlainFrame& frame) { frame.bytes[at] ^= 1; };
  };
  EXPECT_EQ(count_with(1, [](auto&) {}), 1U);
  EXPECT_EQ(count_with(1, byte(5)), 2U) << "the receiver's address";
  EXPECT_EQ(count_with(1, byte(15)), 2U) << "type of service";
  EXPECT_EQ(count_with(1, byte(19)), 2U) << "identification";
  EXPECT_EQ(count_with(1, byte(22)), 2U) << "time to live";
  EXPECT_EQ(count_with(1, byte(29)), 2U) << "address";
  EXPECT_EQ(count_with(1, byte(35)), 2U) << "port";
  EXPECT_EQ(count_with(1, byte(41)), 2U) << "sequence number";
  EXPECT_EQ(count_with(1, byte(45)), 2U) << "acknowledgement";
  EXPECT_EQ(count_with(1, byte(49)), 2U) << "window";
  EXPECT_EQ(count_with(1, [](auto& frame) { frame.bytes[47] |= 0x01; }), 2U) << "FIN";
  EXPECT_EQ(count_with(1, [](auto& frame) { frame.bytes[47] |= 0x20; }), 2U) << "URG";
  EXPECT_EQ(count_with(0, [](auto& frame) { frame.bytes[47] |= 0x08; }), 2U) << "PSH before it";
  EXPECT_EQ(count_with(1, [](auto& frame) { frame.tag = 5; }), 2U) << "VLAN";
  EXPECT_EQ(count_with(1, [](auto& frame) { frame.bytes[20] |= 0x20; }), 2U) << "a fragment";
}

TEST_F(Coalesce, WrongChecksumIsNotMendedByIt) {
  for (const bool v6 : {false, true}) {
    for (const size_t wrong : {0U, 1U}) {
      Frames frames = segments(v6, 2 * size_t{kSegment});
      for (fakes::PlainFrame& frame : frames)
        frame.flags = 0;  // nobody has looked at it yet
      EXPECT_EQ(sent(frames).size(), 1U);
      frames[wrong].bytes[500] ^= 1;
      EXPECT_EQ(sent(frames), frames);
      plain_.take();
    }
  }
  Frames frames = segments(false, 2 * size_t{kSegment});
  frames[1].bytes[24] ^= 1;  // of the IP header
  EXPECT_EQ(sent(frames), frames);
}

TEST_F(Coalesce, ShortSegmentIsTheLast) {
  Frames frames = segments(false, 2000, kAck);  // 1440 and 560
  Frames more = segments(false, 560 + 1440, kAck);
  for (size_t i = 0; i < more.size(); ++i) {
    const auto at = static_cast<uint16_t>(0x100 + 2000 + i * kSegment);
    set_word(more[i].bytes, 40, at);
    set_word(more[i].bytes, 18, static_cast<uint16_t>(3 + i));
    mend_ip_sum(more[i].bytes);
  }
  frames.insert(frames.end(), more.begin(), more.end());
  const Frames got = sent(frames);
  ASSERT_EQ(got.size(), 2U);
  EXPECT_EQ(got[0].bytes.size(), 54U + 2000);
  EXPECT_EQ(got[1].bytes.size(), 54U + 2000);
}

TEST_F(Coalesce, ConnectionsAreJoinedSideBySideAndAcksKeepTheirPlace) {
  const Frames one = segments(false, 2 * size_t{kSegment});
  Frames other = one;
  for (fakes::PlainFrame& frame : other)
    frame.bytes[35] ^= 1;
  EXPECT_EQ(sent({one[0], other[0], one[1], other[1]}).size(), 2U);
  plain_.take();
  fakes::PlainFrame ack = ip_frame(ipv4(6, tcp({}, kAck)));
  mend_ip_sum(ack.bytes);
  EXPECT_EQ(sent({one[0], ack, one[1]}), (Frames{one[0], ack, one[1]}));
  plain_.take();
  ack.bytes[35] ^= 1;  // of another connection
  EXPECT_EQ(sent({one[0], ack, one[1]}).size(), 2U);
}

TEST_F(Coalesce, LargeFrameIsAPacketAtMostAndHasFewParts) {
  Frames many = segments(false, 65000);
  const Frames small = segments_of(large_tcp(false, 64 * 100, 100, kPushAck));
  ASSERT_EQ(small.size(), 64U);
  EXPECT_EQ(sent(small).size(), 2U) << "more than kMaxCoalescedParts";
  plain_.take();
  fakes::PlainFrame more = many.front();
  more.bytes = part(many.back().bytes, 0, 54) + Bytes(kSegment);
  set_word(more.bytes, 16, 40 + kSegment);
  set_word(more.bytes, 18, static_cast<uint16_t>(many.size()));
  mend_ip_sum(more.bytes);
  many.back() = more;  // 65,000 bytes and what is missing in the last segment are too many
  EXPECT_EQ(sent(many).size(), 2U);
}

TEST_F(Coalesce, FrameThatSomebodyElseHasIsLeftAlone) {
  const Frames cut = segments(false, 2 * size_t{kSegment});
  rte_mbuf* shared = fakes::to_mbuf(cut[1], pool_);
  rte_mbuf_refcnt_update(shared, 1);
  from_.bring(cut[0]);
  from_.bring(shared);
  bridge_.turn(now_ns_);
  EXPECT_EQ(able_.take(), cut);
  rte_pktmbuf_free(shared);
}

}  // namespace
}  // namespace viridian::vswitch
