// Learning and forwarding between ports without any settings.
#include "tests/unit/vswitch/switch_fixture.h"

namespace viridian::vswitch {
namespace {

class Forward : public SwitchTest {};

TEST_F(Forward, UnknownDestinationReachesEverybodyButItsSender) {
  add(4);
  send(1, station(9), station(1));
  EXPECT_EQ(receivers(), (Ids{0, 2, 3}));
}

TEST_F(Forward, KnownDestinationReachesItsPortAlone) {
  add(4);
  send(2, kBroadcast, station(2));
  receivers();
  send(0, station(2), station(1));
  EXPECT_EQ(receivers(), (Ids{2}));
}

TEST_F(Forward, BytesArriveAsTheyWereSent) {
  add(2);
  fakes::PlainFrame frame = fakes::ethernet(kBroadcast, station(1), 0x88B5, {1, 2, 3});
  frame.bytes.resize(1514, 0x5A);
  send(0, frame);
  EXPECT_EQ(ports_[1]->take(), std::vector{frame});
}

TEST_F(Forward, FrameOfManySegmentsArrivesWhole) {
  add(3);
  fakes::PlainFrame frame = fakes::ethernet(kBroadcast, station(1));
  frame.bytes.resize(1400, 0x77);
  ports_[0]->bring(fakes::to_mbuf(frame, pool_, 200));
  switch_.turn(now_ns_);
  EXPECT_EQ(ports_[1]->take(), std::vector{frame});
  EXPECT_EQ(ports_[2]->take(), std::vector{frame});
}

TEST_F(Forward, BroadcastAndMulticastReachEverybodyButTheirSender) {
  add(3);
  send(0, kBroadcast, station(1));
  EXPECT_EQ(receivers(), (Ids{1, 2}));
  send(2, {{0x01, 0, 0x5E, 0, 0, 1}}, station(2));
  EXPECT_EQ(receivers(), (Ids{0, 1}));
}

TEST_F(Forward, FrameForItsSendersPortIsDropped) {
  add(2);
  send(0, kBroadcast, station(1));
  receivers();
  send(0, station(1), station(2));
  EXPECT_EQ(receivers(), Ids{});
  EXPECT_EQ(dropped(0, DropReason::kSamePort), 1U);
}

TEST_F(Forward, FrameToItsOwnSourceGoesToNobody) {
  add(2);
  const auto frame = fakes::ethernet(station(1), station(1));
  EXPECT_EQ(switch_.explain(0, frame.bytes, {}).reason, DropReason::kSamePort);
  send(0, frame);
  EXPECT_EQ(receivers(), Ids{});
  EXPECT_EQ(dropped(0, DropReason::kSamePort), 1U);
  EXPECT_EQ(switch_.explain(1, frame.bytes, {}).reason, DropReason::kSamePort);
}

TEST_F(Forward, FrameWithNobodyElseIsDropped) {
  add(1);
  send(0, kBroadcast, station(1));
  EXPECT_EQ(dropped(0, DropReason::kNoReceiver), 1U);
}

TEST_F(Forward, FrameToAReservedAddressIsDroppedAndItsNeighbourIsNot) {
  add(2);
  for (uint8_t last = 0; last < 16; ++last)
    send(0, {{0x01, 0x80, 0xC2, 0, 0, last}}, station(1));
  EXPECT_EQ(dropped(0, DropReason::kReservedAddress), 16U);
  send(0, {{0x01, 0x80, 0xC2, 0, 0, 16}}, station(1));
  EXPECT_EQ(receivers(), (Ids{1}));
}

TEST_F(Forward, RuntsAndImpossibleSourcesAreDropped) {
  add(2);
  fakes::PlainFrame runt;
  runt.bytes.resize(13);
  send(0, runt);
  EXPECT_EQ(dropped(0, DropReason::kRunt), 1U);
  send(0, station(2), kBroadcast);
  send(0, station(2), MacAddress{});
  EXPECT_EQ(dropped(0, DropReason::kBadSource), 2U);
  EXPECT_EQ(receivers(), Ids{});
  EXPECT_EQ(switch_.macs().size(), 0U);
}

TEST_F(Forward, BurstIsGivenToEachReceiverInOneCall) {
  add(3);
  send(1, kBroadcast, station(2));
  send(2, kBroadcast, station(3));
  receivers();
  ports_[1]->transmits = ports_[1]->flushes = 0;
  for (int i = 0; i < 64; ++i)
    ports_[0]->bring(fakes::ethernet(station(static_cast<uint8_t>(2 + i % 2)), station(1)));
  switch_.turn(now_ns_);
  EXPECT_EQ(ports_[1]->transmits, 1U);
  EXPECT_EQ(ports_[1]->flushes, 1U);
  EXPECT_EQ(ports_[1]->taken_count(), 32U);
  EXPECT_EQ(ports_[2]->taken_count(), 32U);
}

TEST_F(Forward, FramesOfOneFlowStayInOrder) {
  add(2);
  for (uint8_t i = 0; i < 200; ++i)
    ports_[0]->bring(fakes::ethernet(kBroadcast, station(1), 0x88B5, {i}));
  while (switch_.turn(now_ns_)) {
  }
  const auto taken = ports_[1]->take();
  ASSERT_EQ(taken.size(), 200U);
  for (uint8_t i = 0; i < 200; ++i)
    EXPECT_EQ(taken[i].bytes[14], i);
}

TEST_F(Forward, WhatAPortDoesNotTakeIsCounted) {
  add(2);
  ports_[1]->room = 3;
  for (int i = 0; i < 10; ++i)
    ports_[0]->bring(fakes::ethernet(kBroadcast, station(1)));
  switch_.turn(now_ns_);
  EXPECT_EQ(dropped(1, DropReason::kPortFull), 7U);
  EXPECT_EQ(switch_.counters(1)->tx_frames.get(), 3U);
  EXPECT_EQ(switch_.counters(1)->tx_bytes.get(), 180U);
}

TEST_F(Forward, WhatNobodyIsThereToTakeIsCountedForThat) {
  add(2);
  ports_[1]->room = 0;
  ports_[1]->connected = false;
  ports_[0]->bring(fakes::ethernet(kBroadcast, station(1)));
  switch_.turn(now_ns_);
  EXPECT_EQ(dropped(1, DropReason::kNoCarrier), 1U);
  EXPECT_EQ(dropped(1, DropReason::kPortFull), 0U);
}

TEST_F(Forward, LargerFrameThanTheMtuIsDroppedAndOneThatFitsIsNot) {
  add();
  add({}, {.mtu = 100});
  fakes::PlainFrame frame = fakes::ethernet(kBroadcast, station(1));
  frame.bytes.resize(114);
  send(0, frame);
  EXPECT_EQ(receivers(), (Ids{1}));
  frame.bytes.resize(115);
  send(0, frame);
  EXPECT_EQ(receivers(), Ids{});
  EXPECT_EQ(dropped(1, DropReason::kMtu), 1U);
}

TEST_F(Forward, PortsComeAndGoWhileOthersTalk) {
  add(2);
  send(0, kBroadcast, station(1));
  send(1, kBroadcast, station(2));
  receivers();
  for (int i = 0; i < 20; ++i) {
    const PortId id = add();
    ports_[0]->bring(fakes::ethernet(station(2), station(1)));
    switch_.turn(now_ns_);
    EXPECT_EQ(ports_[1]->take().size(), 1U);
    remove(id);
    ports_.pop_back();
  }
}

TEST_F(Forward, AddressesOfAPortThatWentAreForgotten) {
  add(3);
  send(2, kBroadcast, station(3));
  receivers();
  remove(2);
  send(0, station(3), station(1));
  EXPECT_EQ(receivers(), (Ids{1}));
}

TEST_F(Forward, SleepsOnlyWhenNoPortHasAFrame) {
  add(2);
  ports_[1]->bring(fakes::ethernet(kBroadcast, station(1)));
  EXPECT_TRUE(switch_.poll());
  while (switch_.poll()) {
  }
  EXPECT_TRUE(ports_[0]->armed);
  EXPECT_TRUE(ports_[1]->armed);
  EXPECT_EQ(ports_[0]->taken_count(), 1U);
  ports_[0]->bring(fakes::ethernet(station(1), station(2)));
  EXPECT_TRUE(switch_.poll());
  EXPECT_FALSE(ports_[0]->armed);
  EXPECT_EQ(ports_[1]->taken_count(), 1U);
}

TEST_F(Forward, PortWhoseLinkIsOffIsNotConnectedAndIsTold) {
  add(2);
  add({.name = "off", .link = false});
  EXPECT_FALSE(ports_[2]->link);
  send(0, kBroadcast, station(1));
  EXPECT_EQ(receivers(), (Ids{1}));
  send(2, kBroadcast, station(3));
  EXPECT_EQ(receivers(), Ids{});
  EXPECT_EQ(dropped(2, DropReason::kPortDown), 1U);
  ASSERT_TRUE(switch_.change_port(2, {.name = "off"}));
  EXPECT_TRUE(ports_[2]->link);
  send(0, kBroadcast, station(1));
  EXPECT_EQ(receivers(), (Ids{1, 2}));
}

TEST_F(Forward, AddressesOfAPortAreForgottenWithItsLink) {
  add(3);
  send(2, kBroadcast, station(3));
  receivers();
  ASSERT_TRUE(switch_.change_port(2, {.name = "p", .link = false}));
  send(0, station(3), station(1));
  EXPECT_EQ(receivers(), (Ids{1}));
}

class Kinds : public SwitchTest {};

TEST_F(Kinds, HostAndUplinkAreConnectedAsTheKindSays) {
  add(2);
  add({.name = "host", .role = PortRole::kHost});
  add({.name = "uplink", .role = PortRole::kUplink});
  send(0, kBroadcast, station(1));
  EXPECT_EQ(receivers(), (Ids{1}));
  send(3, kBroadcast, station(4));
  EXPECT_EQ(receivers(), Ids{});
  EXPECT_EQ(dropped(3, DropReason::kPortDown), 1U);
  switch_.set_kind(SwitchKind::kInternal);
  send(0, kBroadcast, station(1));
  EXPECT_EQ(receivers(), (Ids{1, 2}));
  switch_.set_kind(SwitchKind::kExternal);
  send(0, kBroadcast, station(1));
  EXPECT_EQ(receivers(), (Ids{1, 2, 3}));
  send(3, kBroadcast, station(4));
  EXPECT_EQ(receivers(), (Ids{0, 1, 2}));
}

TEST_F(Kinds, AddressBehindAnUplinkIsForgottenWhenItGoes) {
  add(2);
  add({.name = "uplink", .role = PortRole::kUplink});
  switch_.set_kind(SwitchKind::kExternal);
  send(2, kBroadcast, station(4));
  receivers();
  switch_.set_kind(SwitchKind::kPrivate);
  send(0, station(4), station(1));
  EXPECT_EQ(receivers(), (Ids{1}));
}

TEST_F(Kinds, ASecondUplinkIsRefused) {
  add({.name = "uplink", .role = PortRole::kUplink});
  fakes::FakePort other(pool_);
  const auto second = switch_.add_port(other, {.name = "b", .role = PortRole::kUplink});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().message, "port b: switch switch has an uplink, port uplink");
}

}  // namespace
}  // namespace viridian::vswitch
