// The desired state in JSON: what it reads it writes again, and what makes no sense is named.
#include "vswitch/control/config.h"

#include <gtest/gtest.h>

#include "vswitch/control/acl_json.h"

namespace viridian::vswitch {
namespace {

std::string refusal(std::string text) {
  std::replace(text.begin(), text.end(), '\'', '"');
  Json json;
  std::string error;
  if (!parse_json(text, json, error)) return error;
  const auto config = parse_config(json);
  return config ? "" : config.error().message;
}

// Of one port of one switch with these fields more.
std::string port_refusal(const std::string& fields) {
  return refusal("{'switches':[{'name':'s','ports':[{'name':'p','type':'tap','interface':'t'," +
                 fields + "}]}]}");
}

constexpr const char* kEverything = R"({"switches":[{"name":"lan","kind":"external",
  "mac_capacity":1000,"mac_age_s":10,"ports":[
  {"name":"a","type":"tap","interface":"t0","mtu":9000,"role":"host","link":false,
   "vlan":{"mode":"trunk","vlan":5,"allowed":"1-10,20,4094"},"mac":"00:15:5d:00:00:01",
   "mac_guard":true,"dhcp_guard":true,"router_guard":true,"mac_limit":5,"storm_limit":6,
   "multicast_limit":7,"max_bits_per_second":1000000,"weight":3,"mirror":"source",
   "acl":[{"direction":"out","action":"allow","weight":9,"family":"ipv4","source":"10.0.0.0/8",
           "protocol":"tcp","source_ports":"1-100","destination_ports":"80"},
          {"direction":"in","action":"deny","family":"ipv6","destination":"fe80::/10",
           "protocol":99}],
   "static_macs":[{"mac":"00:15:5d:00:00:02","vlan":5}]},
  {"name":"b","type":"vhost-user","socket":"/run/b","client":true,
   "vlan":{"mode":"isolated","vlan":10,"secondary":11}},
  {"name":"c","type":"af_packet","interface":"eth1","role":"uplink"},
  {"name":"d","type":"ethdev","device":"net_ring0"},
  {"name":"e","type":"guest","vlan":{"mode":"promiscuous","vlan":10,"allowed":"11"}}]}]})";

TEST(Config, WhatWasReadIsWrittenAgain) {
  const Json json = Json::parse(kEverything);
  const auto config = parse_config(json);
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(to_json(*config).dump(2), json.dump(2));
}

TEST(Config, DefaultsAreNotWritten) {
  const Json json = Json::parse(
      R"({"switches":[{"name":"s","kind":"private","ports":[
          {"name":"p","type":"tap","interface":"t"}]}]})");
  EXPECT_EQ(to_json(*parse_config(json)), json);
}

TEST(Config, TheFieldThatMakesNoSenseIsNamed) {
  EXPECT_EQ(refusal("[]"), "JSON: must be an object { }");
  EXPECT_EQ(refusal("{'switches':3}"), "switches: must be a list [ ]");
  EXPECT_EQ(refusal("{'swiches':[]}"), "swiches: is no field here; known are switches");
  EXPECT_EQ(refusal("{'switches':[{}]}"),
            "switches[0].name: must be 1 to 64 printable characters without spaces");
  EXPECT_EQ(refusal("{'switches':[{'name':'s','kind':'public'}]}"),
            "switches[0].kind: is \"public\"; known are private, internal, external");
  EXPECT_EQ(refusal("{'switches':[{'name':'s','mac_capacity':0}]}"),
            "switches[0].mac_capacity: must be at least 1");
  EXPECT_EQ(refusal("{'switches':[{'name':'s','ports':[{'name':'p'}]}]}"),
            "switches[0].ports[0].type: is missing; tap, af_packet and others are known");
  EXPECT_EQ(refusal("{'switches':[{'name':'s','ports':[{'name':'p','type':'tap'}]}]}"),
            "switches[0].ports[0].interface: is missing");
  const std::string at = "switches[0].ports[0].";
  EXPECT_EQ(port_refusal("'mtu':9217"), at + "mtu: must be a number from 0 to 9216");
  EXPECT_EQ(port_refusal("'weight':-1"), at + "weight: must be a number from 0 to 65535");
  EXPECT_EQ(port_refusal("'mac_guard':1"), at + "mac_guard: must be true or false");
  EXPECT_EQ(port_refusal("'mac':'1:2'"),
            at + "mac: \"1:2\" is not an address such as 00:15:5d:01:02:03");
  EXPECT_EQ(port_refusal("'mac_guard':true"), "switches[0].ports[0]: port p: mac_guard needs mac");
  EXPECT_EQ(port_refusal("'vlan':{'mode':'trunk','allowed':'5-1'}"),
            at + "vlan.allowed: \"5-1\" is not a list such as 1-100,200");
  EXPECT_EQ(port_refusal("'acl':[{'source':'10.0.0.0/33'}]"),
            at + "acl[0].source: \"10.0.0.0/33\" is not a prefix such as 10.0.0.0/8");
  EXPECT_EQ(port_refusal("'acl':[{'source':'10.0.0.0/8','destination':'::/1'}]"),
            at + "acl[0].destination: \"::/1\" is of the other IP family than the rule");
  EXPECT_NE(port_refusal("'acl':[{'destination_ports':'80'}]").find(at + "acl[0]: acl: "),
            std::string::npos);
}

TEST(Config, WhatDoesNotFitTogetherIsNamed) {
  EXPECT_EQ(refusal("{'switches':[{'name':'s'},{'name':'s'}]}"),
            "switch s: there are two of this name");
  EXPECT_EQ(refusal("{'switches':[{'name':'s','ports':[{'name':'a','type':'tap','interface':'t'},"
                    "{'name':'b','type':'tap','interface':'t'}]}]}"),
            "port b: interface \"t\" is used by port a");
  EXPECT_EQ(refusal("{'switches':[{'name':'s','ports':[{'name':'a','type':'tap','interface':'t'},"
                    "{'name':'a','type':'tap','interface':'u'}]}]}"),
            "port a: switch s has a port of this name");
}

TEST(Config, JsonThatIsBrokenOrTooDeepIsRefused) {
  EXPECT_EQ(refusal("{'switches':"), "JSON: it breaks off or makes no sense at byte 13");
  EXPECT_EQ(refusal(std::string(100000, '[')), "JSON: nested deeper than 24 levels");
  EXPECT_NE(refusal("{'switches':[{'name':'\xFF'}]}"), "");
}

TEST(Config, VlanListsAreReadAndWritten) {
  EXPECT_EQ(to_text(*parse_vlans("3,1-2,9,4095")), "1-3,9,4095");
  EXPECT_EQ(parse_vlans("")->count(), 0U);
  for (const char* wrong : {"1,", ",1", "1-", "-1", "4096", "a", "1 ", "99999999999999999999"})
    EXPECT_FALSE(parse_vlans(wrong)) << wrong;
}

}  // namespace
}  // namespace viridian::vswitch
