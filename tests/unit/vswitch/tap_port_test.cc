// In a network namespace of the test's own: a raw socket is the host's other end.
#include "vswitch/tap_port.h"

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cstring>

#include "tests/unit/vswitch/frame_bytes.h"
#include "vswitch/dpdk.h"

namespace viridian::vswitch {
namespace {

class TapPortTest : public testing::Test {
 protected:
  void SetUp() override {
    if (::unshare(CLONE_NEWNET) != 0) GTEST_SKIP() << "not here: a network namespace (root)";
    if (::access("/dev/net/tun", R_OK | W_OK) != 0) GTEST_SKIP() << "not here: /dev/net/tun";
    ASSERT_TRUE(start_dpdk());
    auto pool = make_frame_pool("tap_test", 256);
    ASSERT_TRUE(pool) << pool.error().message;
    pool_ = std::move(*pool);
    auto port = TapPort::create(*reactor_, pool_.get(), {"vtap%d", 9000});
    ASSERT_TRUE(port) << port.error().message;
    port_ = std::move(*port);
    connect();
  }
  void TearDown() override {
    port_.reset();
    if (pool_) {
      EXPECT_EQ(rte_mempool_avail_count(pool_.get()), 256U);
    }
  }
  void connect() {
    host_ = UniqueFd(::socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, 0));
    ifreq request = {};
    port_->interface_name().copy(request.ifr_name, IFNAMSIZ - 1);
    ASSERT_EQ(::ioctl(host_.get(), SIOCGIFINDEX, &request), 0);
    const int index = request.ifr_ifindex;
    request.ifr_flags =
        IFF_UP;  // first: a socket that is bound to what is down begins with an error
    ASSERT_EQ(::ioctl(host_.get(), SIOCSIFFLAGS, &request), 0);
    sockaddr_ll address = {};
    address.sll_family = AF_PACKET;
    address.sll_ifindex = index;
    address.sll_protocol = htons(0x88B5);
    ASSERT_EQ(::bind(host_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  }
  void send(const Bytes& frame) {
    ASSERT_EQ(::send(host_.get(), frame.data(), frame.size(), 0),
              static_cast<ssize_t>(frame.size()));
  }
  Bytes take() { return take_from(*port_); }
  bool give(const Bytes& bytes, uint64_t flags = 0, uint16_t tag = 0) {
    return give_to(*port_, pool_.get(), bytes, flags, tag);
  }
  Bytes arrived() {
    Bytes bytes(10000);
    const ssize_t got = ::recv(host_.get(), bytes.data(), bytes.size(), 0);
    bytes.resize(got > 0 ? static_cast<size_t>(got) : 0);
    return bytes;
  }

  std::unique_ptr<io::Reactor> reactor_ = std::move(*io::Reactor::create());
  FramePool pool_;
  std::unique_ptr<TapPort> port_;
  UniqueFd host_;
};

TEST_F(TapPortTest, FramesPassBothWays) {
  for (const size_t size : {60U, 1514U, 9014U}) {
    send(numbered_frame(size));
    EXPECT_EQ(take(), numbered_frame(size));
  }
  for (const size_t size : {60U, 1514U}) {
    ASSERT_TRUE(give(numbered_frame(size)));
    EXPECT_EQ(arrived(), numbered_frame(size));
  }
  EXPECT_TRUE(arrived().empty());
}

TEST_F(TapPortTest, WakesTheReactorWhenAFrameComes) {
  while (!take().empty() || !port_->arm())
    continue;
  send(numbered_frame(100));
  Bytes taken;
  for (int i = 0; i < 100 && taken.empty(); ++i) {
    reactor_->turn(false);
    taken = take();
    port_->arm();
  }
  EXPECT_EQ(taken, numbered_frame(100));
}

TEST_F(TapPortTest, MayNotSleepWhileAFrameWaits) {
  while (!take().empty() || !port_->arm())
    continue;
  send(numbered_frame(100));
  for (int i = 0; i < 10; ++i)
    reactor_->turn(false);
  EXPECT_FALSE(port_->arm());
  EXPECT_FALSE(take().empty());
}

TEST_F(TapPortTest, TagGoesIntoTheFrame) {
  const UniqueFd all(::socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, htons(ETH_P_ALL)));
  ASSERT_TRUE(give(numbered_frame(60), kFrameVlan, 0x2064));
  Bytes bytes(100);
  std::array<uint8_t, 256> control{};
  iovec part = {bytes.data(), bytes.size()};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  // The kernel takes the tag out again and lies the frame before the socket without it.
  ssize_t got = 0;
  while ((got = ::recvmsg(all.get(), &message, 0)) > 0 && bytes[12] != 0x88)
    continue;
  EXPECT_EQ(got, 60);
  bytes.resize(60);
  EXPECT_EQ(bytes, numbered_frame(60));
}

TEST_F(TapPortTest, WithoutMemoryFramesWaitInTheInterface) {
  std::vector<rte_mbuf*> taken;
  while (rte_mempool_avail_count(pool_.get()) > 0)
    taken.push_back(rte_pktmbuf_alloc(pool_.get()));
  send(numbered_frame(1000));
  EXPECT_TRUE(take().empty());
  for (rte_mbuf* frame : taken)
    rte_pktmbuf_free(frame);
  EXPECT_EQ(take(), numbered_frame(1000));
}

TEST_F(TapPortTest, NameThatIsTooLongIsRefused) {
  const auto port = TapPort::create(*reactor_, pool_.get(), {"sixteen-bytes-xy", 1500});
  ASSERT_FALSE(port);
  EXPECT_NE(port.error().message.find("sixteen-bytes-xy"), std::string::npos);
}

TEST_F(TapPortTest, NameOfAnotherInterfaceIsRefused) {
  const auto port = TapPort::create(*reactor_, pool_.get(), {"lo", 1500});
  ASSERT_FALSE(port);
  EXPECT_NE(port.error().message.find("lo: cannot be made"), std::string::npos);
}

}  // namespace
}  // namespace viridian::vswitch
