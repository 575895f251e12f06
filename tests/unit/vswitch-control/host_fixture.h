// A host of switches on a worker's thread, with devices that need nothing of the machine.
#pragma once

#include <gtest/gtest.h>

#include "tests/fakes/fake_port.h"
#include "vswitch/control/commands.h"
#include "vswitch/dpdk.h"

namespace viridian::vswitch {

inline rte_mempool* control_pool() {
  static const FramePool pool = [] {
    EXPECT_TRUE(start_dpdk());
    return std::move(*make_frame_pool("control_test", 4095));
  }();
  return pool.get();
}

class HostTest : public testing::Test {
 protected:
  HostTest()
      : pool_(control_pool()),
        worker_(std::move(*io::ReactorThread::start("test"))),
        host_(std::make_unique<SwitchHost>(*worker_, pool_)),
        commands_(*host_) {}

  // Sends one request, written with ' for ".
  Answer ask(std::string request) {
    std::replace(request.begin(), request.end(), '\'', '"');
    return commands_.answer(request);
  }
  Json result(const std::string& request) {
    const Json json = ask(request).json;
    EXPECT_EQ(json.value("error", ""), "") << request;
    return json.value("result", Json());
  }
  std::string error(const std::string& request) { return ask(request).json.value("error", ""); }

  // Two ports that loop back what they get.
  void make_lan() {
    result(
        "{'command':'apply','config':{'switches':[{'name':'lan','ports':["
        "{'name':'a','type':'ethdev','device':'net_ring_a'},"
        "{'name':'b','type':'ethdev','device':'net_ring_b','vlan':{'mode':'access','vlan':7}}]}]}"
        "}");
  }

  rte_mempool* pool_;
  std::unique_ptr<io::ReactorThread> worker_;
  std::unique_ptr<SwitchHost> host_;
  Commands commands_;
};

}  // namespace viridian::vswitch
