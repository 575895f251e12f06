// What a port may send: guards, storm limits, bandwidth, mirrors.
#include "tests/unit/vswitch/ip_frames.h"

namespace viridian::vswitch {
namespace {

class Guard : public SwitchTest {
 protected:
  // Whether the frame goes from port 0 to port 1; what explain() says must agree.
  bool passes(const fakes::PlainFrame& frame) {
    const Explanation told = switch_.explain(0, frame.bytes, frame.tag);
    send(0, frame);
    const bool passed = receivers() == Ids{1};
    EXPECT_EQ(told.reason == DropReason::kNone, passed) << told.text();
    return passed;
  }
  bool passes(const Bytes& packet) { return passes(ip_frame(packet)); }
};

TEST_F(Guard, MacGuardLetsThePortsOwnAddressAlone) {
  add({.mac = station(1), .mac_guard = true});
  add();
  EXPECT_TRUE(passes(fakes::ethernet(kBroadcast, station(1))));
  EXPECT_FALSE(passes(fakes::ethernet(kBroadcast, station(2))));
  EXPECT_EQ(dropped(0, DropReason::kMacGuard), 1U);
  EXPECT_EQ(switch_.port(0)->last_refused_mac, station(2).bits());
  send(1, station(1), station(9));
  EXPECT_EQ(receivers(), (Ids{0}));
}

TEST_F(Guard, AddressOfAPortCannotBeTakenByAnother) {
  add({.mac = station(1)});
  add(2);
  send(1, kBroadcast, station(1));
  receivers();
  send(2, station(1), station(3));
  EXPECT_EQ(receivers(), (Ids{0}));
  EXPECT_EQ(switch_.counters(1)->moves_refused.get(), 1U);
}

TEST_F(Guard, DhcpGuardStopsServersAndLetsClients) {
  add({.dhcp_guard = true});
  add();
  EXPECT_TRUE(passes(ipv4(17, udp(68, 67))));
  EXPECT_TRUE(passes(ipv6(17, udp(546, 547))));
  EXPECT_TRUE(passes(ipv4(17, udp(53, 1024))));
  EXPECT_FALSE(passes(ipv4(17, udp(67, 68))));
  EXPECT_FALSE(passes(ipv4(17, udp(1234, 68))));
  EXPECT_FALSE(passes(ipv6(17, udp(547, 546))));
  EXPECT_EQ(dropped(0, DropReason::kDhcpGuard), 3U);
}

TEST_F(Guard, DhcpGuardSeesThroughTagsSnapExtensionsAndFragments) {
  add({.dhcp_guard = true});
  add();
  const Bytes offer = ipv4(17, udp(67, 68));
  EXPECT_FALSE(passes(fakes::ethernet(kBroadcast, station(1), 0x88A8,
                                      Bytes{0, 5, 0x81, 0, 0, 6, 0x08, 0} + offer)));
  EXPECT_FALSE(passes(
      fakes::ethernet(kBroadcast, station(1), 60, Bytes{0xAA, 0xAA, 3, 0, 0, 0, 0x08, 0} + offer)));
  EXPECT_FALSE(passes(ipv6(0, extension(60) + extension(17) + udp(547, 546))));
  EXPECT_FALSE(passes(ipv4(17, udp(67, 68), 0x2000)));
  // A later fragment alone is nothing, and a first one without its ports is not let through.
  EXPECT_TRUE(passes(ipv4(17, udp(67, 68), 0x0010)));
  EXPECT_FALSE(passes(ipv4(17, Bytes(7), 0x2000)));
  EXPECT_FALSE(passes(ipv6(44, fragment6(60, 1) + Bytes{17})));
}

TEST_F(Guard, RouterGuardStopsAdvertisementsAndRedirects) {
  add({.router_guard = true});
  add();
  EXPECT_TRUE(passes(ipv4(1, Bytes(8, 8))));
  EXPECT_TRUE(passes(ipv6(58, Bytes{135, 0, 0, 0})));
  EXPECT_FALSE(passes(ipv4(1, Bytes{9, 0, 0, 0})));
  EXPECT_FALSE(passes(ipv4(1, Bytes{5, 0, 0, 0})));
  EXPECT_FALSE(passes(ipv6(58, Bytes{134, 0, 0, 0})));
  EXPECT_FALSE(passes(ipv6(58, Bytes{137, 0, 0, 0})));
  EXPECT_FALSE(passes(ipv6(0, extension(58) + Bytes{134, 0, 0, 0})));
  EXPECT_FALSE(passes(ipv6(44, fragment6(58, 1) + Bytes{134, 0, 0, 0})));
  EXPECT_TRUE(passes(ipv6(44, fragment6(58, 8) + Bytes{134, 0, 0, 0})));
  EXPECT_EQ(dropped(0, DropReason::kRouterGuard), 6U);
}

TEST_F(Guard, TooManyHeadersToJudgeAreDropped) {
  add({.router_guard = true});
  add();
  Bytes chain;
  for (int i = 0; i < 9; ++i)
    chain = chain + extension(60);
  EXPECT_FALSE(passes(ipv6(60, chain + extension(58) + Bytes{134, 0, 0, 0})));
  Bytes tags;
  for (int i = 0; i < 5; ++i)
    tags = tags + Bytes{0, 1, 0x88, 0xA8};
  EXPECT_FALSE(passes(fakes::ethernet(kBroadcast, station(1), 0x88A8, tags)));
}

TEST_F(Guard, RulesDecideByWeightAndThenByOrder) {
  const AclRule deny_dns = {.weight = 10,
                            .family = IpFamily::kIpv4,
                            .any_protocol = false,
                            .protocol = 17,
                            .destination_ports = {53, 53}};
  AclRule allow_all = {.action = AclAction::kAllow, .weight = 5};
  AclRule deny_all = {.weight = 5};
  add({.acl = {allow_all, deny_all, deny_dns}});
  add();
  EXPECT_FALSE(passes(ipv4(17, udp(1000, 53))));
  EXPECT_TRUE(passes(ipv4(17, udp(1000, 54))));
  EXPECT_TRUE(passes(ipv6(17, udp(1000, 53))));
  tell_port(0, {.name = "port0", .acl = {deny_all, allow_all}});
  EXPECT_FALSE(passes(ipv4(17, udp(1000, 54))));
  EXPECT_TRUE(passes(fakes::ethernet(kBroadcast, station(1), 0x0806)));
  EXPECT_EQ(dropped(0, DropReason::kAcl), 2U);
}

TEST_F(Guard, RuleForAPrefixMatchesItAlone) {
  AclRule rule = {.family = IpFamily::kIpv4, .source = {{10, 0, 0, 0}, 31}};
  add({.acl = {rule}});
  add();
  EXPECT_FALSE(passes(ipv4(17, udp(1, 2))));
  rule.source = {{10, 0, 0, 2}, 31};
  tell_port(0, {.name = "port0", .acl = {rule}});
  EXPECT_TRUE(passes(ipv4(17, udp(1, 2))));
}

TEST_F(Guard, RuleForTheWayOutIsCountedThere) {
  add();
  add({.acl = {{.direction = AclDirection::kOut, .any_protocol = false, .protocol = 17}}});
  add();
  send(0, ip_frame(ipv4(17, udp(1, 2))));
  EXPECT_EQ(receivers(), (Ids{2}));
  EXPECT_EQ(dropped(1, DropReason::kAclOut), 1U);
}

TEST_F(Guard, RulesWithoutSenseAreRefusedByName) {
  fakes::FakePort port(pool_);
  const auto message = [&](const AclRule& rule) {
    const auto result = switch_.add_port(port, {.name = "x", .acl = {rule}});
    return result ? std::string() : result.error().message;
  };
  EXPECT_EQ(message({.family = IpFamily::kIpv4, .source = {{}, 33}}),
            "port x: acl: source has a prefix of 33 bits, more than 32");
  EXPECT_NE(message({.source = {{}, 1}}), "");
  EXPECT_NE(message({.any_protocol = false, .protocol = 1, .source_ports = {1, 2}}), "");
  EXPECT_NE(message({.any_protocol = false, .protocol = 6, .source_ports = {2, 1}}), "");
}

TEST_F(Guard, StormLimitIsOfEachSecondAndOfFloodsAlone) {
  add({.storm_limit = 5});
  add({.storm_limit = 0});
  send(1, kBroadcast, station(2));
  receivers();
  for (int i = 0; i < 8; ++i)
    send(0, kBroadcast, station(1));
  EXPECT_EQ(receivers().size(), 5U);
  EXPECT_EQ(dropped(0, DropReason::kStormLimit), 3U);
  send(0, station(2), station(1));
  send(0, {{0x01, 0, 0x5E, 0, 0, 1}}, station(1));
  EXPECT_EQ(receivers().size(), 2U);
  send(0, station(7), station(1));
  EXPECT_EQ(receivers().size(), 0U);
  now_ns_ += kSecond;
  send(0, station(7), station(1));
  EXPECT_EQ(receivers().size(), 1U);
}

TEST_F(Guard, StormLimitIsOnUnlessItIsTurnedOff) {
  EXPECT_EQ(PortSettings{}.storm_limit, kDefaultStormLimit);
}

TEST_F(Guard, BandwidthIsWhatWasSetAndNoFrameIsDropped) {
  add({.max_bits_per_second = 8'000'000});  // 1 MB a second
  add();
  send(1, kBroadcast, station(2));
  receivers();
  fakes::PlainFrame frame = fakes::ethernet(station(2), station(1));
  frame.bytes.resize(1000);
  uint64_t sent = 0;
  const uint64_t end = now_ns_ + 5 * kSecond;
  for (; now_ns_ < end; now_ns_ += 1'000'000) {
    while (ports_[0]->coming_count() < 64)
      ports_[0]->bring(frame);
    switch_.turn(now_ns_);
    sent += 1000 * ports_[1]->take().size();
  }
  EXPECT_NEAR(static_cast<double>(sent), 5e6, 0.03 * 5e6);
  EXPECT_EQ(switch_.counters(0)->all_dropped(), 0U);
}

TEST_F(Guard, WeightsShareTheWorkerByBytes) {
  add({.weight = 3});
  add({.weight = 1});
  add();
  send(2, kBroadcast, station(3));
  receivers();
  fakes::PlainFrame small = fakes::ethernet(station(3), station(1));
  fakes::PlainFrame large = fakes::ethernet(station(3), station(2));
  large.bytes.resize(1500);
  for (int i = 0; i < 2000; ++i) {
    while (ports_[0]->coming_count() < 64)
      ports_[0]->bring(small);
    while (ports_[1]->coming_count() < 64)
      ports_[1]->bring(large);
    switch_.turn(now_ns_);
    ports_[2]->take();
  }
  const auto a = static_cast<double>(switch_.counters(0)->rx_bytes.get());
  const auto b = static_cast<double>(switch_.counters(1)->rx_bytes.get());
  EXPECT_NEAR(a / (a + b), 0.75, 0.05);
}

TEST_F(Guard, MirrorGetsACopyOfWhatItsSourcesSendAndGet) {
  add({.mirror = MirrorMode::kSource});
  add(2);
  add({.vlan = {.mode = VlanMode::kAccess, .vlan = 99}, .mirror = MirrorMode::kDestination});
  send(1, kBroadcast, station(2));
  send(2, kBroadcast, station(3));
  receivers();
  send(0, station(2), station(1));
  EXPECT_EQ(receivers(), (Ids{1, 3}));
  send(1, station(1), station(2));
  EXPECT_EQ(receivers(), (Ids{0, 3}));
  send(1, station(3), station(2));
  EXPECT_EQ(receivers(), (Ids{2}));
  send(0, kBroadcast, station(1));
  EXPECT_EQ(receivers(), (Ids{1, 2, 3}));
}

TEST_F(Guard, MirrorShowsTheVlanAsATag) {
  add({.vlan = {.mode = VlanMode::kAccess, .vlan = 10}, .mirror = MirrorMode::kSource});
  add({.vlan = {.mode = VlanMode::kAccess, .vlan = 10}});
  add({.mirror = MirrorMode::kDestination});
  send(0, kBroadcast, station(1));
  EXPECT_FALSE(ports_[1]->take().at(0).tag);
  EXPECT_EQ(ports_[2]->take().at(0).tag, 10);
}

TEST_F(Guard, ExplanationNamesTheReason) {
  add({.mac = station(1), .mac_guard = true});
  add();
  EXPECT_EQ(switch_.explain(0, fakes::ethernet(kBroadcast, station(2)).bytes).text(),
            "dropped: mac-guard (its source is not the address of the port)");
  EXPECT_EQ(switch_.explain(0, fakes::ethernet(kBroadcast, station(1)).bytes).text(),
            "flooded in VLAN 0: port 1");
  EXPECT_EQ(switch_.counters(0)->rx_frames.get(), 0U);
}

}  // namespace
}  // namespace viridian::vswitch
