#include <gtest/gtest.h>

#include "vmm-minimal/config.h"

namespace viridian::vmm {
namespace {

std::string error_of(std::string_view text) {
  const auto nic = parse_net(text);
  return nic ? "" : nic.error().message;
}

TEST(NetConfig, ArgumentSetsEveryOption) {
  const auto nic = parse_net("nic2=tulip,switch=lan,mac=00-15-5D-01-02-03,vlan=10");
  ASSERT_TRUE(nic) << nic.error().message;
  EXPECT_EQ(nic->index, 2u);
  EXPECT_EQ(nic->kind, NetKind::kTulip);
  EXPECT_EQ(nic->switch_name, "lan");
  EXPECT_EQ(nic->mac.to_string(), "00:15:5d:01:02:03");
  EXPECT_EQ(nic->vlan.mode, vswitch::VlanMode::kAccess);
  EXPECT_EQ(nic->vlan.vlan, 10);
  EXPECT_EQ(parse_net("nic0=tulip,vlan=trunk")->vlan.mode, vswitch::VlanMode::kTrunk);
  EXPECT_TRUE(parse_net("nic0=tulip")->mac.is_zero());
}

TEST(NetConfig, BadArgumentIsNamedWithItsNicAndField) {
  EXPECT_TRUE(error_of("eth0=tulip").starts_with("'eth0' is not nic0 to nic3"));
  for (const char* bad : {"", "nic", "nic4=tulip", "nic-1=tulip", "nic0x=tulip"})
    EXPECT_NE(error_of(bad), "") << bad;
  EXPECT_TRUE(error_of("nic0").starts_with("nic0: kind: '' is no kind of NIC"));
  EXPECT_TRUE(error_of("nic0=e1000").starts_with("nic0: kind: 'e1000'"));
  EXPECT_TRUE(error_of("nic1=tulip,speed=10").starts_with("nic1: speed: is not a field of a NIC"));
  EXPECT_TRUE(error_of("nic1=tulip,switch=").starts_with("nic1: switch: ''"));
  EXPECT_TRUE(error_of("nic1=tulip,vlan=0").starts_with("nic1: vlan: '0' is neither"));
  EXPECT_NE(error_of("nic1=tulip,vlan=4095"), "");
  EXPECT_NE(error_of("nic1=tulip,vlan=1x"), "");
}

TEST(NetConfig, AddressesThatNoNicCanHaveAreRefused) {
  for (const char* bad : {"", "00:15:5d:01:02", "01:00:5e:00:00:01", "ff:ff:ff:ff:ff:ff",
                          "00:00:00:00:00:00", "00:15:5d:01:02:0g"}) {
    EXPECT_TRUE(error_of(std::string("nic0=tulip,mac=") + bad).starts_with("nic0: mac: '")) << bad;
  }
}

Config with_nics(std::vector<NetConfig> nics) {
  Config config;
  config.kernel = "vmlinuz";
  config.nics = std::move(nics);
  return config;
}

TEST(NetConfig, AddressThatTulipSwapsIsRefusedForTulipAlone) {
  const auto refused = validate(with_nics({*parse_net("nic0=tulip,mac=02:00:00:01:02:03")}));
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("swaps the bytes"), std::string::npos);
  EXPECT_TRUE(validate(with_nics({*parse_net("nic0=tulip,mac=02:01:00:01:02:03")})));
  EXPECT_TRUE(validate(with_nics({*parse_net("nic0=netvsp,mac=02:00:00:01:02:03")})));
}

TEST(NetConfig, SyntheticNicHasQueuesAndNeedsVmbus) {
  const auto nic = parse_net("nic1=netvsp,queues=2,mirror=destination");
  ASSERT_TRUE(nic) << nic.error().message;
  EXPECT_EQ(nic->kind, NetKind::kNetvsp);
  EXPECT_EQ(nic->queues, 2u);
  EXPECT_EQ(nic->mirror, vswitch::MirrorMode::kDestination);
  EXPECT_TRUE(error_of("nic1=netvsp,queues=0").starts_with("nic1: queues: '0' is not a number"));
  EXPECT_TRUE(error_of("nic1=netvsp,mirror=x").starts_with("nic1: mirror: 'x' is no kind"));
  Config config = with_nics({*nic});
  EXPECT_TRUE(validate(config));
  config.hyperv = false;
  EXPECT_TRUE(validate(config).error().message.starts_with("nic1: kind: netvsp is on VMBus"));
  EXPECT_EQ(validate(with_nics({*parse_net("nic0=tulip,queues=2")})).error().message,
            "nic0: queues: a 21140 has none");
}

TEST(NetConfig, SwitchArgumentSetsEveryOption) {
  const auto lan = parse_switch("lan=internal,tap=vlan0,vhost=/run/a.sock,mtu=9000,vlan=trunk");
  ASSERT_TRUE(lan) << lan.error().message;
  EXPECT_EQ(lan->name, "lan");
  EXPECT_EQ(lan->kind, vswitch::SwitchKind::kInternal);
  EXPECT_EQ(lan->tap, "vlan0");
  EXPECT_EQ(lan->vhost, "/run/a.sock");
  EXPECT_EQ(lan->mtu, 9000);
  EXPECT_EQ(lan->vlan.mode, vswitch::VlanMode::kTrunk);
  const auto error = [](std::string_view text) {
    const auto config = parse_switch(text);
    return config ? "" : config.error().message;
  };
  EXPECT_TRUE(error("lan").starts_with("lan: kind: '' is no kind of switch"));
  EXPECT_TRUE(error("lan=private,mtu=10").starts_with("lan: mtu: '10' is not a number"));
  EXPECT_TRUE(error("lan=private,mtu=70000").starts_with("lan: mtu: '70000'"));
  EXPECT_TRUE(error("lan=private,tap=sixteen-letters-").starts_with("lan: tap: "));
  EXPECT_TRUE(error("lan=private,vhost=").starts_with("lan: vhost: "));
  EXPECT_TRUE(error("lan=private,vhost=/" + std::string(107, 'x')).starts_with("lan: vhost: "));
  EXPECT_TRUE(error("lan=private,uplink=eth0").starts_with("lan: uplink: is not a field"));
}

TEST(NetConfig, JsonSaysTheSame) {
  Config config;
  const auto applied = apply_json(config, "vm.json",
                                  R"({"nics": [{"nic": "nic1", "kind": "tulip", "switch": "lan",
                                       "mac": "00:15:5d:01:02:03", "vlan": 7}]})");
  ASSERT_TRUE(applied) << applied.error().message;
  ASSERT_EQ(config.nics.size(), 1u);
  EXPECT_EQ(config.nics[0].index, 1u);
  EXPECT_EQ(config.nics[0].vlan.vlan, 7);
}

TEST(NetConfig, JsonErrorsNameFileEntryAndField) {
  const auto error_of_json = [](std::string_view text) {
    Config config;
    const auto applied = apply_json(config, "vm.json", text);
    return applied ? "" : applied.error().message;
  };
  EXPECT_EQ(error_of_json(R"({"nics": [{"kind": "tulip"}]})"),
            "vm.json: nics: [0]: nic is missing (such as \"nic0\")");
  EXPECT_TRUE(error_of_json(R"({"nics": [{"nic": "nic0", "mac": "x"}]})")
                  .starts_with("vm.json: nics: [0]: mac: 'x'"));
  EXPECT_NE(error_of_json(R"({"nics": 1})"), "");
  EXPECT_NE(error_of_json(R"({"nics": [1]})"), "");
  EXPECT_NE(error_of_json(R"({"nics": [{},{},{},{},{}]})"), "");
}

TEST(NetConfig, TwoNicsMayNotBeTheSame) {
  Config config;
  config.kernel = "vmlinuz";
  config.nics = {*parse_net("nic0=tulip"), *parse_net("nic1=tulip")};
  EXPECT_TRUE(validate(config));
  config.nics[1].index = 0;
  EXPECT_EQ(validate(config).error().message, "nic0: given twice");
  config.nics = {*parse_net("nic0=tulip,mac=00:15:5d:01:02:03"),
                 *parse_net("nic1=tulip,mac=00:15:5d:01:02:03")};
  EXPECT_EQ(validate(config).error().message, "nic1: mac: 00:15:5d:01:02:03 is nic0's too");
}

}  // namespace
}  // namespace viridian::vmm
