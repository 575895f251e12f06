// Ports for benchmarks of the switch: an endless source of small frames, and a sink.
//
// A source makes its frames as a virtual card would: it takes buffers from a pool and copies a
// frame into each, from a fixed list of patterns.
#pragma once

#include <array>
#include <vector>

#include "vswitch/mac_address.h"
#include "vswitch/port_settings.h"
#include "vswitch/switch_port.h"

struct rte_mempool;

namespace viridian::bench {

using Pattern = std::vector<uint8_t>;

class EndlessPort : public vswitch::SwitchPort {
 public:
  explicit EndlessPort(rte_mempool* pool) : pool_(pool) {}

  void set_patterns(std::vector<Pattern> patterns);

  vswitch::PortFeatures features() const noexcept override;
  uint16_t receive(std::span<rte_mbuf*> frames) noexcept override;
  uint16_t transmit(std::span<rte_mbuf* const> frames) noexcept override;
  bool arm() noexcept override { return patterns_.empty(); }
  void disarm() noexcept override {}

  uint64_t taken() const noexcept { return taken_; }

 private:
  rte_mempool* pool_;
  std::vector<Pattern> patterns_;
  size_t next_ = 0;
  uint64_t taken_ = 0;
};

// A station of one of two sides.
vswitch::MacAddress station(unsigned side, unsigned number);

// All guards, for the first station of the side, and 64 rules that none of these frames meets.
vswitch::PortSettings all_guards(unsigned side);

// A frame of UDP between two stations of two sides, as bytes.
Pattern udp_frame(const vswitch::MacAddress& destination, const vswitch::MacAddress& source,
                  uint16_t source_port, size_t bytes);

}  // namespace viridian::bench
