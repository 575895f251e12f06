// A host with two workers: who gets which port, and that the rest works as with one.
#include "tests/unit/vswitch-control/host_fixture.h"

namespace viridian::vswitch {
namespace {

class TwoWorkers : public testing::Test {
 protected:
  TwoWorkers() {
    for (auto& thread : threads_)
      thread = std::move(*io::ReactorThread::start("test"));
    host_ = std::make_unique<SwitchHost>(
        std::vector<io::ReactorThread*>{threads_[0].get(), threads_[1].get()}, pool_);
    commands_.emplace(*host_);
  }
  ~TwoWorkers() override {
    host_.reset();
    EXPECT_EQ(rte_mempool_avail_count(pool_), free_before_);
  }

  Json ask(std::string request) {
    std::replace(request.begin(), request.end(), '\'', '"');
    return commands_->answer(request).json;
  }
  std::string error(const std::string& request) { return ask(request).value("error", ""); }
  // A port whose device sends nothing and takes all.
  std::string apply(const std::string& ports) {
    return error("{'command':'apply','config':{'switches':[{'name':'lan','ports':[" + ports +
                 "]}]}}");
  }
  static std::string port(const std::string& name, const std::string& more = "") {
    return "{'name':'" + name + "','type':'ethdev','device':'net_null_" + name + ",no-rx=1'" +
           more + "}";
  }
  Json shown(size_t index) {
    return ask("{'command':'show'}")["result"]["switches"][0]["ports"][index];
  }

  rte_mempool* pool_ = control_pool();
  unsigned free_before_ = rte_mempool_avail_count(pool_);
  std::array<std::unique_ptr<io::ReactorThread>, 2> threads_;
  std::unique_ptr<SwitchHost> host_;
  std::optional<Commands> commands_;
};

TEST_F(TwoWorkers, PortGoesToTheWorkerWithTheFewest) {
  EXPECT_EQ(apply(port("a") + "," + port("b") + "," + port("c")), "");
  EXPECT_EQ(shown(0)["worker"], 0);
  EXPECT_EQ(shown(1)["worker"], 1);
  EXPECT_EQ(shown(2)["worker"], 0);
  EXPECT_EQ(apply(port("a") + "," + port("b")), "");
  EXPECT_EQ(apply(port("a") + "," + port("b") + "," + port("d", ",'worker':1")), "");
  EXPECT_EQ(shown(2)["worker"], 1);
  EXPECT_EQ(apply(port("a") + "," + port("b") + "," + port("d", ",'worker':1") + "," + port("e")),
            "");
  EXPECT_EQ(shown(3)["worker"], 0);
}

TEST_F(TwoWorkers, WorkerThatIsNotThereIsRefused) {
  EXPECT_EQ(apply(port("a", ",'worker':2")), "port lan/a: worker: is 2; there are 2, from 0 on");
  EXPECT_TRUE(host_->switches().empty());
  EXPECT_EQ(apply(port("a", ",'worker':99")).rfind("config.switches[0].ports[0].worker: ", 0), 0U);
}

TEST_F(TwoWorkers, PortKeepsItsWorker) {
  EXPECT_EQ(apply(port("a", ",'worker':1")), "");
  EXPECT_EQ(apply(port("a", ",'worker':0")),
            "port lan/a: worker: stays 1 while the port is there; remove it first");
  EXPECT_EQ(apply(port("a", ",'weight':3")), "");
  EXPECT_EQ(shown(0)["worker"], 1);
  EXPECT_EQ(apply(""), "");
  EXPECT_EQ(apply(port("a", ",'worker':0")), "");
  EXPECT_EQ(shown(0)["worker"], 0);
}

TEST_F(TwoWorkers, DeviceOfAPortThatGoesStaysWithItsWorker) {
  const auto named = [](const std::string& name, const std::string& more = "") {
    return "{'name':'" + name + "','type':'ethdev','device':'net_null_x,no-rx=1'" + more + "}";
  };
  EXPECT_EQ(apply(named("a", ",'worker':1")), "");
  EXPECT_EQ(apply(named("b", ",'worker':0")),
            "port lan/b: worker: stays 1 while the port is there; remove it first");
  EXPECT_EQ(apply(named("b")), "");
  EXPECT_EQ(shown(0)["worker"], 1);
}

TEST_F(TwoWorkers, FramesCountersAndAddressesAreOfAllWorkers) {
  fakes::FakePort guest(pool_);
  ASSERT_TRUE(host_->add_guest("lan", guest, {.name = "nic"}));
  EXPECT_EQ(apply(port("a", ",'worker':1")), "");
  host_->on_worker(0, [&] {
    guest.bring(fakes::ethernet({{255, 255, 255, 255, 255, 255}}, {{2, 0, 0, 0, 0, 1}}));
  });
  // Each look is a message to both workers, which turn before and after it.
  while (shown(1)["counters"]["tx_frames"] == 0) {
  }
  EXPECT_EQ(shown(0)["counters"]["rx_frames"], 1);
  EXPECT_EQ(shown(1)["counters"]["tx_frames"], 1);
  EXPECT_EQ(shown(0)["macs"], 1);
  const Json told =
      ask("{'command':'explain','switch':'lan','port':'a','source':'02:00:00:00:00:02',"
          "'destination':'02:00:00:00:00:01'}")["result"];
  EXPECT_FALSE(told["flooded"].get<bool>());
  EXPECT_NE(ask("{'command':'metrics'}")["result"].get<std::string>().find(
                "viridian_port_tx_frames_total{switch=\"lan\",port=\"a\"} 1\n"),
            std::string::npos);
  host_->remove_guest("lan", "nic");
}

}  // namespace
}  // namespace viridian::vswitch
