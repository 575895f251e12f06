// A port of a switch that a test feeds by hand and that keeps what it got.
#pragma once

#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "vswitch/mac_address.h"
#include "vswitch/switch_port.h"

namespace viridian::fakes {

// A frame outside of any pool.
struct PlainFrame {
  std::vector<uint8_t> bytes;   // without the tag
  std::optional<uint16_t> tag;  // its control field
  uint64_t flags = 0;           // of frame.h, without those of the tag
  uint16_t l2_bytes = 0;
  uint16_t l3_bytes = 0;
  uint16_t l4_bytes = 0;
  uint16_t segment_bytes = 0;

  bool operator==(const PlainFrame&) const = default;
};

// Ethernet from `source` to `destination`, at least 60 bytes, filled up with zeroes.
PlainFrame ethernet(const vswitch::MacAddress& destination, const vswitch::MacAddress& source,
                    uint16_t ethertype = 0x88B5, const std::vector<uint8_t>& payload = {});

// A frame of `pool` with what `plain` says, in segments of at most `segment_bytes`.
rte_mbuf* to_mbuf(const PlainFrame& plain, rte_mempool* pool, uint16_t segment_bytes = 2048);
PlainFrame to_plain(const rte_mbuf& frame);

class FakePort : public vswitch::SwitchPort {
 public:
  explicit FakePort(rte_mempool* pool, const vswitch::PortFeatures& features = {})
      : features_(features), pool_(pool) {}
  ~FakePort() override;

  void bring(const PlainFrame& frame) { coming_.push_back(to_mbuf(frame, pool_)); }
  void bring(rte_mbuf* frame) { coming_.push_back(frame); }

  std::vector<PlainFrame> take() { return std::exchange(taken_, {}); }
  size_t taken_count() const { return taken_.size(); }
  size_t coming_count() const { return coming_.size(); }

  vswitch::PortFeatures features_;
  size_t room = SIZE_MAX;  // frames that it still takes
  unsigned transmits = 0;
  unsigned flushes = 0;
  bool armed = false;
  bool connected = true;  // somebody is at its other end
  bool link = true;       // what the switch said last

  vswitch::PortFeatures features() const noexcept override { return features_; }
  uint16_t receive(std::span<rte_mbuf*> frames) noexcept override;
  uint16_t transmit(std::span<rte_mbuf* const> frames) noexcept override;
  void flush() noexcept override { ++flushes; }
  bool arm() noexcept override { return armed = coming_.empty(); }
  void disarm() noexcept override { armed = false; }
  bool carrier() const noexcept override { return connected; }
  void set_link(bool up) noexcept override { link = up; }

 private:
  rte_mempool* pool_;
  std::deque<rte_mbuf*> coming_;
  std::vector<PlainFrame> taken_;
};

}  // namespace viridian::fakes
