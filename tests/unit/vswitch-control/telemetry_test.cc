// What DPDK's telemetry socket tells of the switches, through the socket itself.
#include "vswitch/control/telemetry.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <atomic>
#include <optional>
#include <thread>

#include "tests/support/temp_folder.h"
#include "tests/unit/vswitch-control/host_fixture.h"

namespace viridian::vswitch {
namespace {

// DPDK makes its socket when it starts, which is once in a process.
struct ServedDpdk {
  ServedDpdk() { EXPECT_TRUE(start()); }
  static bool start() {
    static const TempFolder folder;
    ::setenv("RUNTIME_DIRECTORY", folder.path().c_str(), 1);
    path() = folder.file("dpdk/viridian/dpdk_telemetry.v2");
    return start_dpdk({.telemetry = true}).has_value();
  }
  static std::string& path() {
    static std::string one;
    return one;
  }
};

class Client {
 public:
  Client() : fd_(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)) {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    ServedDpdk::path().copy(address.sun_path, sizeof(address.sun_path) - 1);
    EXPECT_EQ(::connect(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_TRUE(answer().contains("version"));
  }
  Json ask(const std::string& request) {
    EXPECT_GT(::send(fd_.get(), request.data(), request.size(), MSG_NOSIGNAL), 0);
    const Json told = answer();
    return told.size() == 1 ? told.begin().value() : Json();
  }

 private:
  Json answer() {
    std::array<char, 1 << 15> bytes;
    const ssize_t count = ::recv(fd_.get(), bytes.data(), bytes.size(), 0);
    EXPECT_GT(count, 0);
    return Json::parse(bytes.data(), bytes.data() + std::max<ssize_t>(count, 0), nullptr, false);
  }
  UniqueFd fd_;
};

class TelemetryTest : private ServedDpdk, public HostTest {
 protected:
  std::string error_of(const std::string& request) {
    return client_.ask(request).value("error", "");
  }

  std::optional<Telemetry> telemetry_{std::in_place, *host_};
  Client client_;
};

TEST_F(TelemetryTest, CommandsAreListedAndHaveHelp) {
  const Json all = client_.ask("/");
  for (const char* name : {"/viridian/switches", "/viridian/switch", "/viridian/ports",
                           "/viridian/port", "/viridian/macs"}) {
    EXPECT_NE(std::find(all.begin(), all.end(), name), all.end()) << name;
    EXPECT_FALSE(client_.ask(std::string("/help,") + name).value(name, "").empty()) << name;
  }
}

TEST_F(TelemetryTest, SwitchesAndPortsAreNamed) {
  EXPECT_EQ(client_.ask("/viridian/switches"), Json::array());
  make_lan();
  result("{'command':'add_switch','switch':{'name':'a/b'}}");
  EXPECT_EQ(client_.ask("/viridian/switches"), Json({"lan", "a/b"}));
  EXPECT_EQ(client_.ask("/viridian/ports"), Json({"lan/a", "lan/b"}));
  EXPECT_EQ(client_.ask("/viridian/ports,lan"), Json({"lan/a", "lan/b"}));
  EXPECT_EQ(client_.ask("/viridian/ports,a/b"), Json::array());
  const Json lan = client_.ask("/viridian/switch,lan");
  EXPECT_EQ(lan["kind"], "private");
  EXPECT_EQ(lan["ports"], 2);
  EXPECT_EQ(lan["macs"], 0);
}

TEST_F(TelemetryTest, PortHasItsCountersAndReasonsOfDrops) {
  fakes::FakePort guest(pool_);
  ASSERT_TRUE(host_->add_guest("lan", guest, {.name = "x/nic0"}));
  host_->on_worker(0, [&] {
    for (int i = 0; i < 10; ++i)
      guest.bring(fakes::ethernet({{2, 0, 0, 0, 0, 1}}, {{2, 0, 0, 0, 0, 2}}));
    host_->find("lan")->group->view(0).turn(1);
  });
  const Json port = client_.ask("/viridian/port,lan/x/nic0");
  EXPECT_EQ(port["name"], "x/nic0");
  EXPECT_EQ(port["type"], "guest");
  EXPECT_EQ(port["carrier"], 1);
  EXPECT_EQ(port["counters"]["rx_frames"], 10);
  EXPECT_EQ(port["counters"]["drops"]["no_receiver"], 10);
  const Json macs = client_.ask("/viridian/macs,lan");
  EXPECT_EQ(macs["count"], 1);
  EXPECT_EQ(macs["macs"], Json({"02:00:00:00:00:02 vlan 0 x/nic0"}));
  host_->remove_guest("lan", "x/nic0");
}

TEST_F(TelemetryTest, RulesOfAPortAreCounted) {
  make_lan();
  result(
      "{'command':'set_port','switch':'lan','port':'a','set':{'acl':[{'direction':'in','action':"
      "'deny','protocol':'icmp'}]}}");
  EXPECT_EQ(client_.ask("/viridian/port,lan/a")["acl"], 1);
}

TEST_F(TelemetryTest, WhatIsNotThereIsSaid) {
  make_lan();
  EXPECT_EQ(error_of("/viridian/port,lan/z"), "there is no port \"lan/z\"");
  EXPECT_EQ(error_of("/viridian/port,lan"), "there is no port \"lan\"");
  EXPECT_EQ(error_of("/viridian/port,/"), "there is no port \"/\"");
  EXPECT_EQ(error_of("/viridian/port"), "name a port: /viridian/port,SWITCH/PORT");
  EXPECT_EQ(error_of("/viridian/switch,wan"), "switch: there is no switch \"wan\"");
  EXPECT_EQ(error_of("/viridian/switch"), "name a switch: /viridian/switch,NAME");
  EXPECT_EQ(error_of("/viridian/ports,wan"), "there is no switch \"wan\"");
  EXPECT_EQ(error_of("/viridian/macs"), "switch: is missing");
  EXPECT_EQ(error_of("/viridian/macs,\"\\\x01\xff"), "switch: there is no switch \"\"\\??\"");
  // Longer than any text that DPDK sends.
  EXPECT_TRUE(error_of("/viridian/port," + std::string(900, 'x')).starts_with("there is no port"));
}

TEST_F(TelemetryTest, ManyPortsFitIntoAnAnswer) {
  std::vector<std::unique_ptr<fakes::FakePort>> guests;
  for (int i = 0; i < 200; ++i) {
    guests.push_back(std::make_unique<fakes::FakePort>(pool_));
    const std::string name = fmt::format("guest-{:03}-{}", i, std::string(40, 'x'));
    ASSERT_TRUE(host_->add_guest("lan", *guests.back(), {.name = name}));
  }
  EXPECT_EQ(client_.ask("/viridian/ports,lan").size(), 200);
  const auto names = host_->config().switches[0].ports;
  for (const PortConfig& port : names)
    host_->remove_guest("lan", port.settings.name);
}

TEST_F(TelemetryTest, HostThatIsGoneIsNotAsked) {
  make_lan();
  telemetry_.reset();
  EXPECT_EQ(error_of("/viridian/switches"), "there are no switches any more");
  EXPECT_EQ(error_of("/viridian/port,lan/a"), "there are no switches any more");
  host_.reset();
  EXPECT_EQ(error_of("/viridian/macs,lan"), "there are no switches any more");
  host_ = std::make_unique<SwitchHost>(*worker_, pool_);
  telemetry_.emplace(*host_);
  EXPECT_EQ(client_.ask("/viridian/switches"), Json::array());
}

// A client asks all the time while ports and the host itself come and go.
TEST_F(TelemetryTest, AsksWhileEverythingChanges) {
  std::atomic<bool> done{false};
  std::atomic<int> answers{0};
  std::thread asking([&] {
    Client other;
    while (!done.load()) {
      for (const char* request : {"/viridian/ports", "/viridian/port,lan/p", "/viridian/macs,lan"})
        EXPECT_FALSE(other.ask(request).is_discarded());
      answers.fetch_add(1);
    }
  });
  for (int round = 0; round < 20; ++round) {
    fakes::FakePort guest(pool_);
    host_->alone([&] { ASSERT_TRUE(host_->add_guest("lan", guest, {.name = "p"})); });
    for (const int before = answers.load(); answers.load() < before + 3;)
      std::this_thread::yield();
    host_->alone([&] { host_->remove_guest("lan", "p"); });
    if (round % 5 != 4) continue;
    telemetry_.reset();
    host_ = std::make_unique<SwitchHost>(*worker_, pool_);
    telemetry_.emplace(*host_);
  }
  done.store(true);
  asking.join();
}

}  // namespace
}  // namespace viridian::vswitch
