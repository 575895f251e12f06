// One 21140 with a guest, and the worker's side of it played by the test, step by step.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <cstring>

#include "nic-21140/nic.h"
#include "tests/fakes/fake_tulip.h"

namespace viridian::tulip {

inline Bytes frame_to(const MacAddress& destination, size_t length = 60, uint8_t seed = 1) {
  Bytes frame(length);
  for (size_t i = 0; i < length; ++i)
    frame[i] = static_cast<std::byte>(seed + i);
  for (size_t i = 0; i < 6 && i < length; ++i)
    frame[i] = static_cast<std::byte>(destination[i]);
  if (length >= 14) frame[12] = std::byte{0x08}, frame[13] = std::byte{0x00};
  return frame;
}

inline rte_mempool& shared_pool() {
  static const vswitch::FramePool pool = [] {
    vswitch::DpdkOptions options;
    options.memory_mib = 16;
    EXPECT_TRUE(vswitch::start_dpdk(options));
    auto made = vswitch::make_frame_pool("nic_test", 512);
    EXPECT_TRUE(made) << made.error().message;
    return std::move(*made);
  }();
  return *pool;
}

inline rte_mbuf* mbuf_of(std::span<const std::byte> bytes) {
  rte_mbuf* frame = rte_pktmbuf_alloc(&shared_pool());
  std::memcpy(rte_pktmbuf_append(frame, static_cast<uint16_t>(bytes.size())), bytes.data(),
              bytes.size());
  return frame;
}

struct TestLine final : pci::InterruptLine {
  void set(bool asserted) noexcept override {
    rises += asserted && !level ? 1 : 0;
    level = asserted;
  }
  bool level = false;
  unsigned rises = 0;
};

class NicTest : public testing::Test {
 protected:
  static constexpr MacAddress kMac = {0x00, 0x15, 0x5D, 0x01, 0x02, 0x03};
  static constexpr MacAddress kOther = {0x00, 0x15, 0x5D, 0x0A, 0x0B, 0x0C};
  static constexpr MacAddress kBroadcast = {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF};
  static constexpr MacAddress kGroup = {0x01, 0x00, 0x5E, 0x00, 0x00, 0x16};

  explicit NicTest(NicSettings settings = {.mac = kMac},
                   FakeTulip::Lists lists = FakeTulip::Lists::kRing)
      : nic_(make(settings)), guest_(*nic_, memory_, 0, lists) {
    nic_->start();
  }
  ~NicTest() override {
    nic_->stop();
    reactor_->run_until([&] { return nic_->stopped(); });
    nic_.reset();
    EXPECT_EQ(rte_mempool_in_use_count(&shared_pool()), 0u) << "frames were lost";
  }

  // The worker after a poll demand: takes it, and all frames up to the end of the list.
  void work() {
    const uint64_t before = nic_->statistics().transmit_demands.get();
    reactor_->run_until([&] { return nic_->statistics().transmit_demands.get() != before; });
    poll();
  }
  void poll() {
    std::array<rte_mbuf*, 64> frames;
    do {
      const uint16_t count = nic_->receive(frames);
      for (rte_mbuf* frame : std::span(frames).first(count)) {
        const auto* data = rte_pktmbuf_mtod(frame, const std::byte*);
        sent_.emplace_back(data, data + rte_pktmbuf_data_len(frame));
        tags_.push_back((frame->ol_flags & vswitch::kFrameVlan) != 0 ? frame->vlan_tci : -1);
        rte_pktmbuf_free(frame);
      }
    } while (!nic_->arm());
  }

  bool deliver(std::span<const std::byte> bytes) {
    rte_mbuf* frame = mbuf_of(bytes);
    const bool taken = nic_->transmit(std::span(&frame, 1)) == 1;
    rte_pktmbuf_free(frame);
    return taken;
  }

  // As Linux: the setup frame is taken when the transmitter starts.
  void open(uint32_t mode = 0, uint32_t enabled = 0x0001EBEF) {
    guest_.open(kMac, mode, enabled);
    work();
    guest_.out(5, 0x1FFFF);
    line_.rises = 0;
  }

  uint64_t errors(GuestError reason) const { return nic_->statistics().errors.of(reason); }
  uint32_t status() { return guest_.in(5); }
  uint32_t receive_state() { return csr5::ReceiveState::get(status()); }
  uint32_t transmit_state() { return csr5::TransmitState::get(status()); }

  std::unique_ptr<io::Reactor> reactor_ = std::move(*io::Reactor::create());
  std::vector<std::byte> bytes_ = std::vector<std::byte>(1 << 20);
  GuestMemory memory_;
  TestLine line_;
  std::unique_ptr<Nic> nic_;
  FakeTulip guest_;
  std::vector<Bytes> sent_;
  std::vector<int> tags_;

 private:
  std::unique_ptr<Nic> make(const NicSettings& settings) {
    EXPECT_TRUE(memory_.add_region(Gpa{0}, bytes_));
    return std::move(*Nic::create(*reactor_, memory_, line_, shared_pool(), settings));
  }
};

}  // namespace viridian::tulip
