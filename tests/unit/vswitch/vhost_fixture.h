// A vhost-user port on a worker's thread of its own, and a fake guest at the socket's other end.
#pragma once

#include <gtest/gtest.h>

#include <thread>

#include "io/reactor_thread.h"
#include "tests/fakes/fake_vhost_guest.h"
#include "tests/support/temp_folder.h"
#include "tests/unit/vswitch/frame_bytes.h"
#include "vswitch/dpdk.h"
#include "vswitch/vhost_port.h"

namespace viridian::vswitch {

template <class Condition>
void wait_until(Condition&& condition) {
  while (!condition())
    std::this_thread::yield();
}

class VhostFixture : public testing::Test {
 protected:
  static constexpr unsigned kFrames = 2047;
  static constexpr uint64_t kAllFeatures = fakes::kVhostChecksum | fakes::kVhostGuestChecksum |
                                           fakes::kVhostGuestTso | fakes::kVhostHostTso |
                                           fakes::kVhostMergeable;

  void SetUp() override {
    ASSERT_TRUE(start_dpdk());
    auto pool = make_frame_pool("vhost_test", kFrames);
    ASSERT_TRUE(pool) << pool.error().message;
    pool_ = std::move(*pool);
    worker_ = std::move(*io::ReactorThread::start("vhost-test"));
  }
  void TearDown() override {
    close(port_);
    worker_.reset();
    EXPECT_EQ(rte_mempool_avail_count(pool_.get()), kFrames);
  }

  std::string path() const { return folder_.file("guest.sock"); }
  std::unique_ptr<VhostPort> open(const std::string& path, bool client = false) {
    auto port =
        VhostPort::create(worker_->reactor(), pool_.get(), {.socket = path, .client = client});
    EXPECT_TRUE(port) << port.error().message;
    return port ? std::move(*port) : nullptr;
  }
  void close(std::unique_ptr<VhostPort>& port) {
    if (!port) return;
    worker_->call([&] { port->close(); });
    port.reset();
  }
  // The port is the client: rte_vhost looks after a new connection of its own at once, but after a
  // socket that it listens to only a second later.
  void open_and_connect(uint64_t features = kAllFeatures) {
    connect(port_, guest_, path());
    guest_.start(features);
    wait_until([&] { return carrier(); });
  }
  void connect(std::unique_ptr<VhostPort>& port, fakes::FakeVhostGuest& guest,
               const std::string& at) {
    ASSERT_TRUE(guest.listen(at));
    port = open(at, true);
    ASSERT_TRUE(guest.accept());
  }
  void listen_and_connect() {
    port_ = open(path());
    ASSERT_TRUE(guest_.connect(path()));
    guest_.start(kAllFeatures);
    wait_until([&] { return carrier(); });
  }

  // Until the worker is told, it looks as it does before it sleeps.
  bool carrier() {
    bool there = false;
    worker_->call([&] {
      port_->arm();
      there = port_->carrier();
    });
    return there;
  }
  PortFeatures features() {
    PortFeatures now;
    worker_->call([&] { now = port_->features(); });
    return now;
  }

  // As the switch does it; the mbuf is the caller's.
  bool transmit(rte_mbuf* frame) {
    bool taken = false;
    worker_->call([&] { taken = port_->transmit({&frame, 1}) == 1; });
    return taken;
  }
  bool give(const Bytes& bytes, uint64_t flags = 0, uint16_t tag = 0) {
    rte_mbuf* frame = mbuf_of(pool_.get(), bytes);
    frame->ol_flags = flags;
    frame->vlan_tci = tag;
    const bool taken = transmit(frame);
    rte_pktmbuf_free(frame);
    return taken;
  }
  rte_mbuf* receive() {
    rte_mbuf* frame = nullptr;
    wait_until([&] {
      uint16_t count = 0;
      worker_->call([&] { count = port_->receive({&frame, 1}); });
      return count == 1;
    });
    return frame;
  }
  Bytes taken() {
    rte_mbuf* frame = receive();
    const Bytes bytes = bytes_of(*frame);
    rte_pktmbuf_free(frame);
    return bytes;
  }
  fakes::VhostFrame arrived() {
    fakes::VhostFrame frame;
    wait_until([&] { return guest_.take(frame); });
    return frame;
  }

  TempFolder folder_;
  FramePool pool_;
  std::unique_ptr<io::ReactorThread> worker_;
  std::unique_ptr<VhostPort> port_;
  fakes::FakeVhostGuest guest_;
};

}  // namespace viridian::vswitch
