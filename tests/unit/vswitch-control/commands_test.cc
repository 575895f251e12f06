// Requests and answers, without a socket.
#include "vswitch/control/commands.h"

#include <unistd.h>

#include "tests/support/temp_folder.h"
#include "tests/unit/vswitch-control/host_fixture.h"

namespace viridian::vswitch {
namespace {

using CommandsTest = HostTest;

TEST_F(CommandsTest, AnswersCarryTheIdOfTheirRequest) {
  EXPECT_EQ(ask("{'id':7,'command':'config'}").json["id"], 7);
  EXPECT_EQ(ask("{'id':'x','command':'nothing'}").json["id"], "x");
  EXPECT_EQ(error("{'id':[1],'command':'config'}"), "id: must be a number or a text");
}

TEST_F(CommandsTest, WhatIsWrongWithARequestIsNamed) {
  EXPECT_EQ(error("nonsense"), "JSON: it breaks off or makes no sense at byte 2");
  EXPECT_EQ(error("[]"), "JSON: must be an object { }");
  EXPECT_EQ(error("{}"), "command: is missing");
  EXPECT_EQ(error("{'command':'dance'}"),
            "command: \"dance\" is not known; docs/vswitch-control.md tells all");
  EXPECT_EQ(error("{'command':5}"), "command: must be a text");
  EXPECT_EQ(error("{'command':'show','swich':'x'}"),
            "swich: is no field here; known are command, id, switch");
  EXPECT_EQ(error("{'command':'show','switch':'x'}"), "switch: there is no switch \"x\"");
  EXPECT_EQ(error("{'command':'macs'}"), "switch: is missing");
  EXPECT_EQ(error("{'command':'apply'}"), "config: is missing");
  EXPECT_EQ(error("{'command':'watch','interval_ms':1}"), "interval_ms: must be at least 50");
  make_lan();
  EXPECT_EQ(error("{'command':'set_port','switch':'lan','port':'z','set':{}}"),
            "port: there is no port \"z\"");
  EXPECT_EQ(error("{'command':'set_port','switch':'lan','port':'a'}"),
            "set: must be an object { } with fields of the port");
  EXPECT_EQ(error("{'command':'add_port','switch':'lan','port':'a'}"),
            "port: must be an object { } with the new port");
  EXPECT_EQ(error("{'command':'set_switch','switch':'lan','set':{'ports':[]}}"),
            "set: must be an object { } with fields of the switch, but for ports");
  EXPECT_NE(
      error("{'command':'capture','switch':'lan','reason':'bad'}").find("known are port-down"),
      std::string::npos);
}

TEST_F(CommandsTest, OneFieldIsChangedAndTakenBack) {
  make_lan();
  result(
      "{'command':'set_port','switch':'lan','port':'a','set':{'vlan':"
      "{'mode':'access','vlan':9},'weight':2}}");
  EXPECT_EQ(host_->config().switches[0].ports[0].settings.vlan.vlan, 9);
  const Json changes =
      result("{'command':'set_port','switch':'lan','port':'a','set':{'vlan':null}}")["changes"];
  EXPECT_EQ(changes, Json::parse(R"(["port lan/a: changed vlan"])"));
  EXPECT_EQ(host_->config().switches[0].ports[0].settings.weight, 2);
}

TEST_F(CommandsTest, SwitchesAndPortsComeAndGo) {
  result("{'command':'add_switch','switch':{'name':'x','kind':'internal'}}");
  result(
      "{'command':'add_port','switch':'x','port':{'name':'p','type':'ethdev',"
      "'device':'net_ring_p'}}");
  EXPECT_EQ(result("{'command':'show'}")["switches"][0]["ports"][0]["connected"], true);
  result("{'command':'set_switch','switch':'x','set':{'kind':'private'}}");
  result("{'command':'remove_port','switch':'x','port':'p'}");
  EXPECT_EQ(result("{'command':'config'}").dump(),
            R"({"switches":[{"name":"x","kind":"private","ports":[]}]})");
  result("{'command':'remove_switch','switch':'x'}");
  EXPECT_TRUE(host_->switches().empty());
}

TEST_F(CommandsTest, PortWhoseRoleHasNoPlaceIsShownApart) {
  result(
      "{'command':'apply','config':{'switches':[{'name':'x','ports':[{'name':'p','type':"
      "'ethdev','device':'net_ring_p','role':'host'}]}]}}");
  const auto connected = [&] {
    return result("{'command':'show','switch':'x'}")["switches"][0]["ports"][0]["connected"];
  };
  EXPECT_EQ(connected(), false);
  result("{'command':'set_switch','switch':'x','set':{'kind':'internal'}}");
  EXPECT_EQ(connected(), true);
}

TEST_F(CommandsTest, ExplanationNamesPortsAndReasons) {
  make_lan();
  const std::string from_a =
      "{'command':'explain','switch':'lan','port':'a','source':'02:00:00:00:00:01',"
      "'destination':'ff:ff:ff:ff:ff:ff'";
  EXPECT_EQ(result(from_a + "}")["dropped"], "no-receiver");
  EXPECT_EQ(result(from_a + ",'tag':7}")["text"],
            "dropped: vlan (the port does not take frames with this VLAN tag)");
  result(
      "{'command':'set_port','switch':'lan','port':'a','set':{'vlan':"
      "{'mode':'access','vlan':7}}}");
  EXPECT_EQ(result(from_a + "}")["text"], "flooded in VLAN 7: b");
  EXPECT_EQ(result("{'command':'explain','switch':'lan','port':'a','frame':'00'}")["dropped"],
            "runt");
  EXPECT_NE(error("{'command':'explain','switch':'lan','port':'a','frame':'0g'}"), "");
  EXPECT_EQ(error("{'command':'explain','switch':'lan','port':'a'}"),
            "frame: is missing; or say source and destination");
}

TEST_F(CommandsTest, SocketDoesNotTurnIntoAClientWhileItsPortIsThere) {
  const TempFolder folder;
  const std::string device = ",'type':'vhost-user','socket':'" + folder.file("s") + "'";
  result("{'command':'add_switch','switch':{'name':'x'}}");
  result("{'command':'add_port','switch':'x','port':{'name':'p'" + device + "}}");
  const std::string expected = "port x/p: client: cannot change while socket " + folder.file("s") +
                               " is in use; remove its port first";
  EXPECT_EQ(error("{'command':'set_port','switch':'x','port':'p','set':{'client':true}}"),
            expected);
  EXPECT_EQ(host_->config().switches[0].ports[0].device.client, false);
  EXPECT_EQ(::access(folder.file("s").c_str(), F_OK), 0);
  result("{'command':'remove_port','switch':'x','port':'p'}");
  result("{'command':'add_port','switch':'x','port':{'name':'p','client':true" + device + "}}");
  EXPECT_NE(error("{'command':'set_port','switch':'x','port':'p','set':{'client':false}}"), "");
}

TEST_F(CommandsTest, MetricsEndAsTheyMustAndCarryLabels) {
  make_lan();
  const std::string text = result("{'command':'metrics'}").get<std::string>();
  EXPECT_TRUE(text.ends_with("# EOF\n"));
  EXPECT_NE(text.find("viridian_port_rx_frames_total{switch=\"lan\",port=\"a\"} 0\n"),
            std::string::npos);
  EXPECT_NE(text.find("viridian_port_drops_total{switch=\"lan\",port=\"b\",reason=\"acl\"} 0\n"),
            std::string::npos);
}

TEST_F(CommandsTest, RatesAreOfTheTimeBetweenTwoSamples) {
  fakes::FakePort guest(pool_);
  ASSERT_TRUE(host_->add_guest("lan", guest, {.name = "nic0"}));
  commands_.sample(0);
  host_->on_worker(0, [&] {
    for (int i = 0; i < 10; ++i)
      guest.bring(fakes::ethernet({{2, 0, 0, 0, 0, 1}}, {{2, 0, 0, 0, 0, 2}}));
    host_->find("lan")->group->view(0).turn(1);
  });
  commands_.sample(500'000'000);
  const Json port = commands_.watch()["ports"][0];
  EXPECT_EQ(port["counters"]["rx_frames"], 10);
  EXPECT_EQ(port["counters"]["drops"]["no-receiver"], 10);
  EXPECT_EQ(port["rates"]["rx_frames_per_s"], 20);
  EXPECT_EQ(port["rates"]["rx_bits_per_s"], 20 * 60 * 8);
  host_->remove_guest("lan", "nic0");
}

TEST_F(CommandsTest, AddressesAreListed) {
  fakes::FakePort guest(pool_);
  ASSERT_TRUE(host_->add_guest("lan", guest, {.name = "nic0", .mac = {{2, 0, 0, 0, 0, 9}}}));
  const Json macs = result("{'command':'macs','switch':'lan'}");
  EXPECT_EQ(macs.dump(), R"({"count":1,"macs":[{"mac":"02:00:00:00:00:09","vlan":0,)"
                         R"("port":"nic0","static":true}]})");
  host_->remove_guest("lan", "nic0");
}

}  // namespace
}  // namespace viridian::vswitch
