// Two workers of one switch, turned by hand: frames and addresses between them.
#include <rte_mbuf.h>

#include "tests/unit/vswitch/group_fixture.h"
#include "tests/unit/vswitch/ip_frames.h"

namespace viridian::vswitch {
namespace {

PortSettings access(uint16_t vlan) {
  PortSettings settings;
  settings.vlan = {.mode = VlanMode::kAccess, .vlan = vlan};
  return settings;
}
PortSettings trunk(uint16_t vlan) {
  PortSettings settings;
  settings.vlan = {.mode = VlanMode::kTrunk};
  settings.vlan.allowed.set(vlan);
  return settings;
}

TEST_F(GroupTest, FrameGoesToAPortOfAnotherWorkerAndBack) {
  add(0);
  add(1);
  add(1);
  send(1, kBroadcast, station(2));
  EXPECT_EQ(receivers(), (Ids{0, 2}));
  send(0, station(2), station(1));
  EXPECT_EQ(receivers(), Ids{1});
  send(1, station(1), station(2));
  EXPECT_EQ(receivers(), Ids{0});
  PortCounters sum;
  group_->add_counters(1, sum);
  EXPECT_EQ(sum.tx_frames.get(), 1U);  // once, although two workers handled it
  EXPECT_EQ(sum.tx_bytes.get(), 60U);
}

TEST_F(GroupTest, FloodedFrameReachesEveryPortOnceAndNeverItsOwn) {
  for (unsigned i = 0; i < 5; ++i)
    add(i % 2);
  send(2, kBroadcast, station(1));
  EXPECT_EQ(receivers(), (Ids{0, 1, 3, 4}));
  send(3, station(9), station(2));
  EXPECT_EQ(receivers(), (Ids{0, 1, 2, 4}));
}

TEST_F(GroupTest, ATagIsTheReceiversWhereverItLives) {
  add(0, access(7));
  for (unsigned worker = 0; worker < 2; ++worker) {
    add(worker, access(7));
    add(worker, trunk(7));
    add(worker, access(8));
  }
  const auto tag_at = [&](PortId id) {
    const auto got = ports_[id]->take();
    return got.size() == 1 ? got[0].tag.value_or(0) : 0xFFFF;
  };
  // Between the turns of the workers the frame lies in a ring with what the first one made of it.
  send(0, kBroadcast, station(1));
  for (const PortId id : Ids{1, 4})
    EXPECT_EQ(tag_at(id), 0) << id;
  for (const PortId id : Ids{2, 5})
    EXPECT_EQ(tag_at(id), 7) << id;
  for (const PortId id : Ids{0, 3, 6})
    EXPECT_EQ(tag_at(id), 0xFFFF) << id;
  fakes::PlainFrame tagged = fakes::ethernet(station(1), station(2));
  tagged.tag = 0x6007;
  send(5, tagged);
  EXPECT_EQ(tag_at(0), 0);
  send(4, kBroadcast, station(3));
  EXPECT_EQ(tag_at(2), 7);
  EXPECT_EQ(tag_at(5), 7);
}

TEST_F(GroupTest, FullRingDropsUnderItsOwnReasonAndNobodyWaits) {
  add(0, {.storm_limit = 0});
  add(1);
  constexpr unsigned kSent = kLinkFrames + 2 * kBurst;
  for (unsigned i = 0; i < kSent; ++i) {
    ports_[0]->bring(fakes::ethernet(station(2), station(1)));
    turn(0);
  }
  EXPECT_EQ(dropped(1, DropReason::kWorkerFull), kSent - (kLinkFrames - 1));
  for (int i = 0; i < 2; ++i)
    turn_all();
  EXPECT_EQ(ports_[1]->taken_count(), kLinkFrames - 1);
  ports_[1]->take();
  send(0, station(2), station(1));
  EXPECT_EQ(receivers(), Ids{1});
  EXPECT_EQ(dropped(1, DropReason::kWorkerFull), kSent - (kLinkFrames - 1));
}

TEST_F(GroupTest, PortThatTakesNothingIsCountedByItsWorker) {
  add(0);
  add(1);
  ports_[1]->room = 0;
  send(0, kBroadcast, station(1));
  EXPECT_EQ(dropped(1, DropReason::kPortFull), 1U);
  ports_[1]->connected = false;
  send(0, kBroadcast, station(1));
  EXPECT_EQ(dropped(1, DropReason::kNoCarrier), 1U);
}

TEST_F(GroupTest, PortThatGoesGetsWhatWasOnItsWay) {
  add(0);
  add(1);
  add(1);
  ports_[0]->bring(fakes::ethernet(kBroadcast, station(1)));
  turn(0);
  EXPECT_EQ(ports_[1]->taken_count(), 0U);
  removed_ = true;
  group_->remove_port(1);
  EXPECT_EQ(receivers(), (Ids{1, 2}));
  send(0, kBroadcast, station(1));
  EXPECT_EQ(receivers(), Ids{2});
}

TEST_F(GroupTest, FramesOfAPortThatWentAreHome) {
  add(0);
  add(1);
  const unsigned before = rte_mempool_avail_count(pool_);
  for (int i = 0; i < 3; ++i)
    ports_[0]->bring(fakes::ethernet(kBroadcast, station(1)));
  turn(0);
  EXPECT_LT(rte_mempool_avail_count(pool_), before);
  removed_ = true;
  group_->remove_port(0);
  EXPECT_EQ(rte_mempool_avail_count(pool_), before);
  EXPECT_EQ(receivers(), (Ids{1, 1, 1}));
  EXPECT_EQ(known(station(1)), (Ids{kNoPort, kNoPort}));
}

TEST_F(GroupTest, NumberOfAPortThatWentIsGivenAgain) {
  add(0);
  add(1, access(5));
  removed_ = true;
  group_->remove_port(1);
  EXPECT_EQ(add(0), 1);
  EXPECT_EQ(group_->worker_of(1), 0U);
  ports_[1] = std::move(ports_[2]);
  ports_.pop_back();
  send(0, kBroadcast, station(1));
  EXPECT_EQ(receivers(), Ids{1});
}

TEST_F(GroupTest, ErrorsChangeNothingInAnyView) {
  add(0, {.name = "a", .role = PortRole::kUplink});
  add(1, {.name = "b"});
  const PortSettings second = {.name = "b", .role = PortRole::kUplink};
  EXPECT_FALSE(group_->change_ports({{{1, &second}}}));
  for (unsigned i = 0; i < 2; ++i)
    EXPECT_EQ(group_->view(i).port(1)->settings.role, PortRole::kGuest);
  fakes::FakePort other(pool_);
  EXPECT_FALSE(group_->add_port(1, other, {.name = "a"}));
  EXPECT_EQ(group_->view(0).port(2), nullptr);
  EXPECT_EQ(group_->view(1).port(2), nullptr);
}

TEST_F(GroupTest, MirrorOnAnotherWorkerSeesBothDirections) {
  add(0, {.mirror = MirrorMode::kSource});
  add(1);
  add(1, {.mirror = MirrorMode::kDestination});
  add(0, {.mirror = MirrorMode::kDestination});
  send(1, kBroadcast, station(2));
  EXPECT_EQ(receivers(), (Ids{0, 2, 3}));
  send(0, station(2), station(1));
  EXPECT_EQ(receivers(), (Ids{1, 2, 3}));
  send(1, station(1), station(2));
  EXPECT_EQ(receivers(), (Ids{0, 2, 3}));
}

TEST_F(GroupTest, AddressMovesBetweenWorkers) {
  add(0);
  add(1);
  add(0);
  send(0, kBroadcast, station(1));
  EXPECT_EQ(known(station(1)), (Ids{0, 0}));
  send(1, kBroadcast, station(1));
  EXPECT_EQ(known(station(1)), (Ids{1, 1}));
  receivers();
  send(2, station(1), station(3));
  EXPECT_EQ(receivers(), Ids{1});
}

TEST_F(GroupTest, AddressThatMovesTooOftenStays) {
  add(0);
  add(1);
  for (unsigned i = 0; i <= kMaxMoves; ++i)
    send(static_cast<PortId>(i % 2), kBroadcast, station(1));
  const Ids stays(2, kMaxMoves % 2);
  EXPECT_EQ(known(station(1)), stays);
  const auto other = static_cast<PortId>(1 - kMaxMoves % 2);
  send(other, kBroadcast, station(1));
  EXPECT_EQ(known(station(1)), stays);
  EXPECT_EQ(group_->home_of(other).counters(other)->moves_refused.get(), 1U);
  now_ns_ += kSecond;
  send(other, kBroadcast, station(1));
  EXPECT_EQ(known(station(1)), Ids(2, other));
}

TEST_F(GroupTest, StaticAddressIsNotMovedFromAnotherWorker) {
  add(0, {.mac = station(1)});
  add(1);
  send(1, kBroadcast, station(1));
  EXPECT_EQ(known(station(1)), (Ids{0, 0}));
  EXPECT_EQ(group_->view(1).counters(1)->moves_refused.get(), 1U);
  receivers();
  send(1, station(1), station(2));
  EXPECT_EQ(receivers(), Ids{0});
}

TEST_F(GroupTest, AddressThatTalksIsKeptByAll) {
  add(0);
  add(1);
  send(0, kBroadcast, station(1));
  for (int i = 0; i < 4; ++i) {
    now_ns_ += 100 * kSecond;
    send(0, kBroadcast, station(1));
  }
  EXPECT_EQ(known(station(1)), (Ids{0, 0}));
  now_ns_ += (kDefaultMacAgeS + 1) * kSecond;
  turn_all();
  EXPECT_EQ(known(station(1)), (Ids{kNoPort, kNoPort}));
}

TEST_F(GroupTest, MtuIsTheOneThatThePortHasNow) {
  add(0);
  add(1);
  send(1, kBroadcast, station(2));
  const auto large = fakes::ethernet(station(2), station(1), 0x88B5, Bytes(2000));
  send(0, large);
  EXPECT_EQ(dropped(1, DropReason::kMtu), 1U);
  const auto told = group_->view(0).explain(0, large.bytes);
  EXPECT_EQ(told.receivers.at(0).reason, DropReason::kMtu);
  ports_[1]->features_.mtu = 9000;
  now_ns_ += kSecond;
  turn_all();  // its worker looks each second
  receivers();
  send(0, large);
  EXPECT_EQ(receivers(), Ids{1});
  ports_[1]->features_.mtu = 1500;
  send(0, large);  // the sender does not know yet
  EXPECT_EQ(dropped(1, DropReason::kMtu), 2U);
}

TEST_F(GroupTest, OffloadIsDoneWhereThePortLives) {
  add(0);
  add(1);
  add(1, {}, {.checksum = true});
  fakes::PlainFrame open = fakes::ethernet(kBroadcast, station(1), 0x0800, ipv4(17, udp(1, 2)));
  open.flags = kFrameIpv4 | kFrameUdp;
  open.l2_bytes = 14;
  open.l3_bytes = 20;
  open.l4_bytes = 8;
  send(0, open);
  const auto done = ports_[1]->take();
  const auto as_it_is = ports_[2]->take();
  ASSERT_EQ(done.size(), 1U);
  ASSERT_EQ(as_it_is.size(), 1U);
  EXPECT_EQ(done[0].flags & kFrameTransportMask, 0U);
  EXPECT_EQ(as_it_is[0].flags & kFrameTransportMask, kFrameUdp);
}

// A frame whose payload is memory of somebody who wants to hear of its end.
class LentFrameTest : public GroupTest {
 protected:
  void bring_lent(PortId from, const MacAddress& destination) {
    rte_mbuf* frame = fakes::to_mbuf(fakes::ethernet(destination, station(1)), pool_);
    rte_mbuf* payload = rte_pktmbuf_alloc(pool_);
    shared_.free_cb = [](void*, void* opaque) {
      auto& self = *static_cast<LentFrameTest*>(opaque);
      self.ended_on_.push_back(self.turning_);
    };
    shared_.fcb_opaque = this;
    rte_mbuf_ext_refcnt_set(&shared_, 1);
    rte_pktmbuf_attach_extbuf(payload, memory_.data(), 0, kBytes, &shared_);
    payload->data_len = kBytes;
    payload->pkt_len = kBytes;
    ASSERT_EQ(rte_pktmbuf_chain(frame, payload), 0);
    ports_[from]->bring(frame);
  }

  static constexpr uint16_t kBytes = 100;
  std::array<char, kBytes> memory_{};
  rte_mbuf_ext_shared_info shared_{};
  std::vector<unsigned> ended_on_;
};

TEST_F(LentFrameTest, LentMemoryGoesBackOnItsOwnThread) {
  add(0);
  add(1);
  bring_lent(0, station(2));
  turn(0);
  turn(1);
  EXPECT_EQ(ports_[1]->taken_count(), 1U);
  EXPECT_TRUE(ended_on_.empty());
  turn(0);
  EXPECT_EQ(ended_on_, std::vector<unsigned>{0});
}

TEST_F(LentFrameTest, AlsoIfManyHaveIt) {
  add(0);
  add(0);
  add(1);
  add(1, {}, {.takes_frames = true});
  bring_lent(0, kBroadcast);
  turn_all();
  EXPECT_EQ(receivers(), (Ids{1, 2, 3}));
  EXPECT_EQ(ended_on_, std::vector<unsigned>{0});
}

TEST_F(LentFrameTest, PortThatTakesFramesGetsACopyOfIt) {
  add(0);
  add(1, {}, {.takes_frames = true});
  bring_lent(0, station(2));
  turn_all();
  EXPECT_EQ(receivers(), Ids{1});
  EXPECT_EQ(ended_on_, std::vector<unsigned>{0});
}

TEST_F(GroupTest, PlainFrameStaysWithAPortThatTakesFrames) {
  add(0);
  add(1, {}, {.takes_frames = true});
  const unsigned before = rte_mempool_avail_count(pool_);
  ports_[0]->bring(fakes::ethernet(station(2), station(1)));
  turn(0);
  turn(1);  // freed by the port: nothing is left to come home
  EXPECT_EQ(rte_mempool_avail_count(pool_), before);
  EXPECT_EQ(receivers(), Ids{1});
}

TEST_F(GroupTest, CapturesOfEachWorkerShowItsPorts) {
  add(0);
  add(1);
  Capture here({});
  Capture there({});
  ASSERT_TRUE(group_->view(0).add_capture(here));
  ASSERT_TRUE(group_->view(1).add_capture(there));
  send(0, kBroadcast, station(1));
  CapturedFrame frame;
  std::vector<std::byte> bytes;
  ASSERT_TRUE(here.take(frame, bytes));
  EXPECT_EQ(frame.event, CaptureEvent::kIn);
  EXPECT_FALSE(here.take(frame, bytes));
  ASSERT_TRUE(there.take(frame, bytes));
  EXPECT_EQ(frame.event, CaptureEvent::kOut);
  EXPECT_EQ(frame.port, 1);
  EXPECT_FALSE(there.take(frame, bytes));
  group_->view(0).remove_capture(here);
  group_->view(1).remove_capture(there);
}

class ThreeWorkers : public GroupTest {
 protected:
  ThreeWorkers() : GroupTest(3) {}
};

TEST_F(ThreeWorkers, EachReachesEachOther) {
  for (unsigned i = 0; i < 6; ++i)
    add(i % 3);
  for (PortId i = 0; i < 6; ++i)
    send(i, kBroadcast, station(static_cast<uint8_t>(10 + i)));
  receivers();
  for (PortId from = 0; from < 6; ++from) {
    for (PortId to = 0; to < 6; ++to) {
      if (from == to) continue;
      send(from, station(static_cast<uint8_t>(10 + to)), station(static_cast<uint8_t>(10 + from)));
      EXPECT_EQ(receivers(), Ids{to});
    }
  }
}

}  // namespace
}  // namespace viridian::vswitch
