// The switches of a process as its guests' devices and the command vswitch see them.
#include "vmm-minimal/network.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "tests/fakes/fake_port.h"
#include "tests/fakes/fake_vhost_guest.h"
#include "tests/support/temp_folder.h"

namespace viridian::vmm {
namespace {

class NetworkTest : public testing::Test {
 protected:
  NetworkTest() {
    setup_.switches.emplace_back();
    setup_.switches.back().name = "lan";
    setup_.control_socket = folder_.file("control");
    EXPECT_TRUE(vswitch::start_dpdk());  // before the network does it, with DPDK's telemetry
  }
  void start() {
    auto network = Network::create(*thread_, setup_);
    ASSERT_TRUE(network) << network.error().message;
    network_ = std::move(*network);
  }
  static vswitch::PortSettings named(const char* name) {
    vswitch::PortSettings settings;
    settings.name = name;
    return settings;
  }
  // The configuration as a client of the control socket gets it.
  std::string config() const {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    setup_.control_socket.copy(address.sun_path, sizeof(address.sun_path) - 1);
    const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    constexpr std::string_view kRequest = "{\"command\":\"config\"}\n";
    EXPECT_EQ(::send(fd.get(), kRequest.data(), kRequest.size(), 0), ssize_t{kRequest.size()});
    std::string text;
    std::array<char, 4096> bytes;
    while (text.find('\n') == text.npos) {
      const ssize_t got = ::recv(fd.get(), bytes.data(), bytes.size(), 0);
      if (got <= 0) break;
      text.append(bytes.data(), static_cast<size_t>(got));
    }
    return text;
  }

  TempFolder folder_;
  vmm::Setup setup_;
  std::unique_ptr<io::ReactorThread> thread_ = std::move(*io::ReactorThread::start("test"));
  std::unique_ptr<Network> network_;
};

TEST_F(NetworkTest, DeviceOfAGuestIsShownAtTheControlSocketWhileItIsPluggedIn) {
  start();
  fakes::FakePort device(&network_->pool());
  const auto plug = network_->plug_in("lan", device, named("left.nic0"));
  ASSERT_TRUE(plug) << plug.error().message;
  EXPECT_NE(plug->bridge->counters(plug->port), nullptr);
  EXPECT_NE(config().find("left.nic0"), std::string::npos);
  network_->pull_out(*plug);
  EXPECT_EQ(config().find("left.nic0"), std::string::npos);
}

TEST_F(NetworkTest, SwitchThatNobodyDescribedIsMade) {
  start();
  fakes::FakePort device(&network_->pool());
  EXPECT_EQ(config().find("other"), std::string::npos);
  const auto plug = network_->plug_in("other", device, named("nic0"));
  ASSERT_TRUE(plug) << plug.error().message;
  EXPECT_NE(config().find("other"), std::string::npos);
  network_->pull_out(*plug);
}

TEST_F(NetworkTest, TwoDevicesCannotHaveOneName) {
  start();
  fakes::FakePort first(&network_->pool()), second(&network_->pool());
  const auto plug = network_->plug_in("lan", first, named("nic0"));
  ASSERT_TRUE(plug) << plug.error().message;
  EXPECT_FALSE(network_->plug_in("lan", second, named("nic0")));
  network_->pull_out(*plug);
}

TEST_F(NetworkTest, GuestOfAnotherProcessHasASocketOnItsSwitch) {
  setup_.switches[0].vhost = folder_.file("guest");
  setup_.switches[0].mtu = 9000;
  start();
  EXPECT_NE(config().find("\"type\":\"vhost-user\",\"socket\":\"" + folder_.file("guest") +
                          "\",\"mtu\":9000"),
            std::string::npos)
      << config();
  fakes::FakeVhostGuest guest;
  ASSERT_TRUE(guest.connect(folder_.file("guest")));
  guest.start(fakes::kVhostMergeable);
  guest.offer(1);
  fakes::FakePort device(&network_->pool());
  const auto plug = network_->plug_in("lan", device, named("nic0"));
  ASSERT_TRUE(plug) << plug.error().message;
  const fakes::PlainFrame frame = fakes::ethernet({{2, 0, 0, 0, 0, 2}}, {{2, 0, 0, 0, 0, 1}});
  guest.give(frame.bytes);
  std::vector<fakes::PlainFrame> taken;
  while (taken.empty())
    thread_->call([&] { taken = device.take(); });
  EXPECT_EQ(taken[0].bytes, frame.bytes);
  network_->pull_out(*plug);
}

TEST_F(NetworkTest, SocketThatCannotBeMadeIsNamed) {
  setup_.control_socket = folder_.file("no/such/folder");
  const auto network = Network::create(*thread_, setup_);
  ASSERT_FALSE(network);
  EXPECT_TRUE(network.error().message.starts_with("control: ")) << network.error().message;
}

}  // namespace
}  // namespace viridian::vmm
