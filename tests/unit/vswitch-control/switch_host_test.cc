// What a configuration changes, and that an error changes nothing.
#include "vswitch/control/switch_host.h"

#include <unistd.h>

#include "tests/support/temp_folder.h"
#include "tests/unit/vswitch-control/host_fixture.h"

namespace viridian::vswitch {
namespace {

using Lines = std::vector<std::string>;

class SwitchHostTest : public HostTest {
 protected:
  Lines apply(const std::string& config) {
    return result("{'command':'apply','config':" + config + "}")["changes"].get<Lines>();
  }
  std::string apply_error(const std::string& config) {
    return error("{'command':'apply','config':" + config + "}");
  }
  static std::string port(const std::string& name, const std::string& device,
                          const std::string& more = "") {
    return "{'name':'" + name + "','type':'ethdev','device':'" + device + "'" + more + "}";
  }
  static std::string lan(const std::string& ports, const std::string& more = "") {
    return "{'switches':[{'name':'lan'" + more + ",'ports':[" + ports + "]}]}";
  }
};

TEST_F(SwitchHostTest, OnlyDifferencesAreApplied) {
  const std::string two = lan(port("a", "net_ring_a") + "," + port("b", "net_ring_b"));
  EXPECT_EQ(apply(two), (Lines{"switch lan: added", "port lan/a: added", "port lan/b: added"}));
  EXPECT_EQ(apply(two), Lines{});
  const VirtualSwitch* bridge = &host_->find("lan")->group->view(0);
  EXPECT_EQ(apply(lan(port("a", "net_ring_a", ",'dhcp_guard':true") + "," + port("b", "net_ring_b"),
                      ",'kind':'internal'")),
            (Lines{"switch lan: changed kind", "port lan/a: changed dhcp_guard"}));
  EXPECT_EQ(&host_->find("lan")->group->view(0), bridge);
  EXPECT_EQ(bridge->kind(), SwitchKind::kInternal);
  EXPECT_TRUE(bridge->port(0)->settings.dhcp_guard);
  EXPECT_EQ(apply("{'switches':[]}"),
            (Lines{"port lan/a: removed", "port lan/b: removed", "switch lan: removed"}));
  EXPECT_TRUE(host_->switches().empty());
}

TEST_F(SwitchHostTest, TellingChangesNothing) {
  const Json told =
      result("{'command':'apply','only_tell':true,'config':" + lan(port("a", "net_ring_a")) + "}");
  EXPECT_EQ(told["changes"].size(), 2U);
  EXPECT_TRUE(host_->switches().empty());
}

TEST_F(SwitchHostTest, VhostUserPortComesChangesItsMtuAndGoes) {
  const TempFolder folder;
  const std::string path = folder.file("guest.sock");
  const std::string guest = "{'name':'g','type':'vhost-user','socket':'" + path + "'";
  EXPECT_EQ(apply(lan(guest + "}")), (Lines{"switch lan: added", "port lan/g: added"}));
  EXPECT_EQ(::access(path.c_str(), F_OK), 0);
  const Json shown = result("{'command':'show'}")["switches"][0]["ports"][0];
  EXPECT_EQ(shown["socket"], path);
  EXPECT_FALSE(shown["carrier"].get<bool>());
  EXPECT_FALSE(shown["checksum_offload"].get<bool>());
  EXPECT_EQ(apply(lan(guest + ",'mtu':9000}")), Lines{"port lan/g: changed mtu"});
  EXPECT_EQ(result("{'command':'show'}")["switches"][0]["ports"][0]["mtu"], 9000);
  EXPECT_EQ(apply(lan("")), Lines{"port lan/g: removed"});
  EXPECT_NE(::access(path.c_str(), F_OK), 0);
}

TEST_F(SwitchHostTest, DeviceThatCannotBeOpenedChangesNothing) {
  apply(lan(port("a", "net_ring_a")));
  const Json before = to_json(host_->config());
  EXPECT_EQ(apply_error(lan(port("c", "net_ring_c") + "," + port("b", "net_nothing_b"))),
            "port lan/b: device \"net_nothing_b\": DPDK does not know it or refuses its "
            "arguments; drivers begin with net_");
  EXPECT_EQ(to_json(host_->config()), before);
  EXPECT_EQ(apply(lan(port("a", "net_ring_a") + "," + port("c", "net_ring_c"))),
            Lines{"port lan/c: added"});
}

TEST_F(SwitchHostTest, ADeviceMovesToAnotherPortWithoutBeingOpenedAgain) {
  apply(lan(port("a", "net_ring_a") + "," + port("b", "net_ring_b")));
  const SwitchPort* of_a = host_->find("lan")->find("a")->device;
  EXPECT_EQ(apply(lan(port("a", "net_ring_b") + "," + port("b", "net_ring_a"))).size(), 4U);
  EXPECT_EQ(host_->find("lan")->find("b")->device, of_a);
}

TEST_F(SwitchHostTest, PortsMaySwapWhatOnlyOneCanHave) {
  apply(lan(port("a", "net_ring_a", ",'role':'uplink'") + "," + port("b", "net_ring_b"),
            ",'kind':'external'"));
  EXPECT_EQ(apply(lan(port("a", "net_ring_a") + "," + port("b", "net_ring_b", ",'role':'uplink'"),
                      ",'kind':'external'")),
            (Lines{"port lan/a: changed role", "port lan/b: changed role"}));
}

TEST_F(SwitchHostTest, SizeOfTheAddressTableStays) {
  apply(lan(""));
  EXPECT_EQ(apply_error(lan("", ",'mac_capacity':5")),
            "switch lan: mac_capacity cannot change while the switch is there");
}

TEST_F(SwitchHostTest, GuestsStayWhateverTheConfigurationSays) {
  fakes::FakePort guest(pool_);
  ASSERT_TRUE(host_->add_guest("lan", guest, {.name = "nic0"}));
  EXPECT_EQ(apply(lan("{'name':'nic0','type':'guest','router_guard':true}")),
            Lines{"port lan/nic0: changed router_guard"});
  EXPECT_EQ(apply(lan("")), Lines{});
  EXPECT_EQ(apply_error("{'switches':[]}"),
            "switch lan: cannot go while the guest's port nic0 is on it");
  EXPECT_EQ(apply_error(lan("{'name':'nic9','type':'guest'}")),
            "port lan/nic9: type: there is no guest's port of this name; it comes with its guest");
  EXPECT_EQ(error("{'command':'remove_port','switch':'lan','port':'nic0'}"),
            "port: \"nic0\" is a guest's; it goes with its guest");
  host_->remove_guest("lan", "nic0");
  EXPECT_EQ(apply("{'switches':[]}"), Lines{"switch lan: removed"});
}

TEST_F(SwitchHostTest, AllFramesAreFreeWhenTheHostIsGone) {
  const unsigned before = rte_mempool_avail_count(pool_);
  apply(lan(port("a", "net_ring_a") + "," + port("b", "net_ring_b")));
  host_.reset();
  EXPECT_EQ(rte_mempool_avail_count(pool_), before);
}

}  // namespace
}  // namespace viridian::vswitch
