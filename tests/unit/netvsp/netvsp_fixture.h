// A guest with a network adapter, over real rings, in one thread. The test is the switch: it takes
// the guest's frames and gives it others.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <memory>

#include "netvsp/limits.h"
#include "netvsp/netvsp.h"
#include "tests/fakes/fake_netvsc.h"
#include "vmbus/server.h"
#include "vswitch/dpdk.h"
#include "vswitch/frame.h"

namespace viridian::netvsp {

struct Flag : io::Completion {
  Flag()
      : io::Completion([](io::Completion& self) noexcept { static_cast<Flag&>(self).ran = true; }) {
  }
  bool ran = false;
};

constexpr MacAddress kGuestMac = {0x00, 0x15, 0x5d, 0x01, 0x02, 0x03};
constexpr MacAddress kOtherMac = {0x00, 0x15, 0x5d, 0x0a, 0x0b, 0x0c};

class NetvspTest : public testing::Test {
 protected:
  static constexpr uint32_t kFrames = 512;

  explicit NetvspTest(uint16_t max_mtu = 1500) {
    EXPECT_TRUE(vswitch::start_dpdk());
    auto pool = vswitch::make_frame_pool("netvsp_test", kFrames);
    EXPECT_TRUE(pool) << pool.error().message;
    pool_ = std::move(*pool);
    AdapterOptions options;
    options.identity.mac = kGuestMac;
    options.identity.friendly_name = "first";
    options.identity.max_mtu = max_mtu;
    options.identity.max_channels = 3;
    options.instance = "12345678-0000-0000-0000-000000000001"_guid;
    options.max_sub_channels = 2;
    adapter_ = std::make_unique<Adapter>(pool_.get(), options);
    guest_.attach(server_);
    EXPECT_TRUE(server_.offer(*adapter_));
    EXPECT_NE(guest_.connect(), 0u);
    offers_ = guest_.request_offers();
  }
  ~NetvspTest() override {
    Flag done;
    server_.reset(done);
    reactor_->run_until([&] { return done.ran; });
    guest_.settle();
    EXPECT_EQ(rte_mempool_avail_count(pool_.get()), kFrames) << "frames were lost";
  }

  std::unique_ptr<FakeNetvsc> open(uint32_t relid) {
    auto channel = guest_.open(relid, 8, 8);
    EXPECT_NE(channel, nullptr);
    return std::make_unique<FakeNetvsc>(guest_, std::move(channel));
  }
  // The driver on an open channel, which did nothing yet.
  FakeNetvsc& fresh() {
    if (!driver_) driver_ = open(offers_.at(0).relid);
    return *driver_;
  }
  // The same, ready for frames.
  FakeNetvsc& driver() {
    if (driver_) return *driver_;
    EXPECT_TRUE(fresh().connect());
    EXPECT_TRUE(driver_->initialize());
    EXPECT_TRUE(driver_->set_filter(packet_filter::kDirected | packet_filter::kBroadcast |
                                    packet_filter::kAllMulticast));
    return *driver_;
  }
  uint64_t errors(GuestError why) const { return adapter_->statistics().errors.of(why); }

  // The guest's next frame as bytes; empty if there is none.
  Bytes take_frame(rte_mbuf** keep = nullptr) {
    guest_.settle();
    rte_mbuf* frame = nullptr;
    if (adapter_->receive({&frame, 1}) == 0) return {};
    Bytes bytes(frame->pkt_len);
    const void* read = rte_pktmbuf_read(frame, 0, frame->pkt_len, bytes.data());
    if (read != bytes.data()) std::memcpy(bytes.data(), read, bytes.size());
    if (keep != nullptr) {
      *keep = frame;
    } else {
      rte_pktmbuf_free(frame);
    }
    return bytes;
  }
  // Gives the guest a frame, and ends the burst.
  bool give_frame(std::span<const std::byte> bytes, uint64_t flags = 0, uint16_t tag = 0) {
    rte_mbuf* frame = rte_pktmbuf_alloc(pool_.get());
    rte_mbuf* last = frame;
    size_t at = 0;
    while (at < bytes.size()) {  // in segments, as a payload that is attached
      const auto length = static_cast<uint16_t>(std::min<size_t>(bytes.size() - at, 1000));
      if (at > 0) {
        last->next = rte_pktmbuf_alloc(pool_.get());
        last = last->next;
        ++frame->nb_segs;
      }
      std::memcpy(rte_pktmbuf_mtod(last, void*), bytes.data() + at, length);
      last->data_len = length;
      frame->pkt_len += length;
      at += length;
    }
    frame->ol_flags = flags;
    frame->vlan_tci = tag;
    const bool taken = adapter_->transmit({&frame, 1}) == 1;
    adapter_->flush();
    rte_pktmbuf_free(frame);
    return taken;
  }

  std::unique_ptr<io::Reactor> reactor_ = std::move(*io::Reactor::create());
  vmbus::FakeGuest guest_{*reactor_};
  vswitch::FramePool pool_;
  std::unique_ptr<Adapter> adapter_;
  vmbus::Server server_{*reactor_, guest_.memory(), guest_};
  std::vector<vmbus::OfferChannel> offers_;
  std::unique_ptr<FakeNetvsc> driver_;
};

// An Ethernet frame of `size` bytes from the other address to the guest's, with bytes to compare.
inline Bytes test_frame(size_t size, const MacAddress& to = kGuestMac, uint16_t type = 0x88B5) {
  Bytes frame(size);
  for (size_t i = 0; i < size; ++i)
    frame[i] = static_cast<std::byte>(i * 7 + i / 256);
  std::memcpy(frame.data(), to.data(), 6);
  std::memcpy(frame.data() + 6, kOtherMac.data(), 6);
  frame[12] = static_cast<std::byte>(type >> 8);
  frame[13] = static_cast<std::byte>(type & 0xFF);
  return frame;
}

}  // namespace viridian::netvsp
