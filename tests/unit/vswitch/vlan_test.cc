// VLANs: access, trunk with a native VLAN, private VLANs.
#include "tests/unit/vswitch/switch_fixture.h"

namespace viridian::vswitch {
namespace {

VlanSet vlans(std::initializer_list<uint16_t> list) {
  VlanSet set;
  for (const uint16_t one : list)
    set.set(one);
  return set;
}

constexpr uint16_t kPriority5 = 5 << 13;

class Vlan : public SwitchTest {
 protected:
  PortId access(uint16_t vlan) { return add({.vlan = {.mode = VlanMode::kAccess, .vlan = vlan}}); }
  PortId trunk(uint16_t native, std::initializer_list<uint16_t> allowed) {
    return add({.vlan = {.mode = VlanMode::kTrunk, .vlan = native, .allowed = vlans(allowed)}});
  }
  PortId isolated(uint16_t secondary = 101) {
    return add({.vlan = {.mode = VlanMode::kIsolated, .vlan = 100, .secondary = secondary}});
  }
  PortId community(uint16_t secondary) {
    return add({.vlan = {.mode = VlanMode::kCommunity, .vlan = 100, .secondary = secondary}});
  }
  PortId promiscuous(std::initializer_list<uint16_t> list) {
    return add({.vlan = {.mode = VlanMode::kPromiscuous, .vlan = 100, .allowed = vlans(list)}});
  }
  fakes::PlainFrame tagged(uint16_t tag, const MacAddress& source = station(1)) {
    fakes::PlainFrame frame = fakes::ethernet(kBroadcast, source);
    frame.tag = tag;
    return frame;
  }
};

TEST_F(Vlan, AccessPortsReachTheirOwnVlanAlone) {
  access(10);
  access(10);
  access(20);
  add();
  send(0, kBroadcast, station(1));
  EXPECT_EQ(receivers(), (Ids{1}));
  send(3, kBroadcast, station(2));
  EXPECT_EQ(receivers(), Ids{});
}

TEST_F(Vlan, KnownAddressOfAnotherVlanIsUnknown) {
  access(10);
  access(20);
  access(10);
  send(1, kBroadcast, station(2));
  send(0, station(2), station(1));
  EXPECT_EQ(receivers(), (Ids{2}));
}

TEST_F(Vlan, AccessPortTakesNoTagButAPriority) {
  access(10);
  access(10);
  send(0, tagged(10));
  send(0, tagged(20));
  EXPECT_EQ(dropped(0, DropReason::kVlan), 2U);
  send(0, tagged(kPriority5));
  const auto taken = ports_[1]->take();
  ASSERT_EQ(taken.size(), 1U);
  EXPECT_FALSE(taken[0].tag);
}

TEST_F(Vlan, TrunkGetsTagsAndTheNativeVlanWithout) {
  access(10);
  access(20);
  trunk(20, {10, 30});
  send(0, kBroadcast, station(1));
  send(1, kBroadcast, station(2));
  const auto taken = ports_[2]->take();
  ASSERT_EQ(taken.size(), 2U);
  EXPECT_EQ(taken[0].tag, 10);
  EXPECT_FALSE(taken[1].tag);
}

TEST_F(Vlan, TrunkSendsWhatItIsAllowed) {
  trunk(20, {10});
  access(10);
  access(20);
  access(30);
  send(0, tagged(10 | kPriority5));
  EXPECT_EQ(receivers(), (Ids{1}));
  send(0, tagged(20));
  EXPECT_EQ(receivers(), (Ids{2}));
  send(0, kBroadcast, station(1));
  EXPECT_EQ(receivers(), (Ids{2}));
  send(0, tagged(30));
  EXPECT_EQ(receivers(), Ids{});
  EXPECT_EQ(dropped(0, DropReason::kVlan), 1U);
}

TEST_F(Vlan, PriorityStaysFromTrunkToTrunk) {
  trunk(0, {10});
  trunk(0, {10});
  send(0, tagged(10 | kPriority5));
  EXPECT_EQ(ports_[1]->take().at(0).tag, 10 | kPriority5);
}

TEST_F(Vlan, TagInTheDataIsATag) {
  trunk(0, {10});
  access(10);
  fakes::PlainFrame frame = fakes::ethernet(kBroadcast, station(1), 0x8100, {0, 10, 0x88, 0xB5, 7});
  frame.bytes.resize(64);
  send(0, frame);
  const auto taken = ports_[1]->take();
  ASSERT_EQ(taken.size(), 1U);
  EXPECT_EQ(taken[0], fakes::ethernet(kBroadcast, station(1), 0x88B5, {7}));
  frame.bytes.resize(17);
  send(0, frame);
  EXPECT_EQ(dropped(0, DropReason::kRunt), 1U);
}

TEST_F(Vlan, InnerTagIsData) {
  trunk(0, {10});
  access(10);
  fakes::PlainFrame frame = fakes::ethernet(kBroadcast, station(1), 0x8100, {0, 20, 0x88, 0xB5, 7});
  frame.tag = 10;
  send(0, frame);
  const auto taken = ports_[1]->take();
  ASSERT_EQ(taken.size(), 1U);
  EXPECT_EQ(taken[0].bytes, frame.bytes);
}

TEST_F(Vlan, OneFrameForManyHasATagForSomeAndNoneForOthers) {
  access(10);
  trunk(0, {10});
  access(10);
  trunk(10, {});
  send(0, kBroadcast, station(1));
  EXPECT_EQ(ports_[1]->take().at(0).tag, 10);
  EXPECT_FALSE(ports_[2]->take().at(0).tag);
  EXPECT_FALSE(ports_[3]->take().at(0).tag);
}

TEST_F(Vlan, PrivateVlanReachesAsItsTypeSays) {
  isolated();                    // 0
  isolated();                    // 1
  community(102);                // 2
  community(102);                // 3
  community(103);                // 4
  promiscuous({101, 102, 103});  // 5
  promiscuous({101});            // 6
  send(0, kBroadcast, station(1));
  EXPECT_EQ(receivers(), (Ids{5, 6}));
  send(2, kBroadcast, station(2));
  EXPECT_EQ(receivers(), (Ids{3, 5}));
  send(4, kBroadcast, station(3));
  EXPECT_EQ(receivers(), (Ids{5}));
  send(5, kBroadcast, station(4));
  EXPECT_EQ(receivers(), (Ids{0, 1, 2, 3, 4, 6}));
}

TEST_F(Vlan, PrivateVlanKeepsUnicastsApartToo) {
  isolated();
  isolated();
  promiscuous({101});
  send(0, kBroadcast, station(1));
  send(1, kBroadcast, station(2));
  receivers();
  send(0, station(2), station(1));
  EXPECT_EQ(receivers(), Ids{});
  EXPECT_EQ(dropped(0, DropReason::kVlanOut), 1U);
  send(2, station(2), station(3));
  EXPECT_EQ(receivers(), (Ids{1}));
  send(1, station(3), station(2));
  EXPECT_EQ(receivers(), (Ids{2}));
}

TEST_F(Vlan, TrunkCarriesASecondaryVlanWithItsTag) {
  isolated();
  trunk(0, {100, 101});
  promiscuous({101});
  send(0, kBroadcast, station(1));
  EXPECT_EQ(ports_[1]->take().at(0).tag, 101);
  ports_[2]->take();
  send(1, tagged(101, station(5)));
  EXPECT_EQ(receivers(), (Ids{2}));
  send(2, station(5), station(6));
  EXPECT_EQ(ports_[1]->take().at(0).tag, 100);
}

TEST_F(Vlan, ChangeMovesAPortAtOnce) {
  access(10);
  access(20);
  send(0, kBroadcast, station(1));
  EXPECT_EQ(receivers(), Ids{});
  tell_port(1, {.name = "port1", .vlan = {.mode = VlanMode::kAccess, .vlan = 10}});
  send(0, kBroadcast, station(1));
  EXPECT_EQ(receivers(), (Ids{1}));
}

TEST_F(Vlan, SettingsWithoutSenseAreRefusedByName) {
  fakes::FakePort port(pool_);
  isolated(101);
  const auto message = [&](const VlanSettings& vlan) {
    const auto result = switch_.add_port(port, {.name = "x", .vlan = vlan});
    return result ? std::string() : result.error().message;
  };
  EXPECT_EQ(message({.mode = VlanMode::kAccess}), "port x: vlan is 0; it must be 1 to 4094");
  EXPECT_EQ(message({.mode = VlanMode::kAccess, .vlan = 4095}),
            "port x: vlan is 4095; it must be 1 to 4094");
  EXPECT_NE(message({.mode = VlanMode::kUntagged, .vlan = 5}), "");
  EXPECT_NE(message({.mode = VlanMode::kTrunk, .allowed = vlans({0})}), "");
  EXPECT_NE(message({.mode = VlanMode::kIsolated, .vlan = 9, .secondary = 9}), "");
  EXPECT_NE(message({.mode = VlanMode::kIsolated, .vlan = 9, .secondary = 101}), "");
  EXPECT_NE(message({.mode = VlanMode::kCommunity, .vlan = 100, .secondary = 101}), "");
  EXPECT_EQ(message({.mode = VlanMode::kCommunity, .vlan = 100, .secondary = 102}), "");
}

}  // namespace
}  // namespace viridian::vswitch
