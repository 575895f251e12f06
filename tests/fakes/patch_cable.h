// The smallest switch: two ports, and each gets what the other sends. For tests of ports; it keeps
// the rules that switch_port.h gives a worker, and sleeps only when both ports let it.
#pragma once

#include <rte_mbuf.h>

#include <array>

#include "io/reactor.h"
#include "vswitch/switch_port.h"

namespace viridian::vswitch {

class PatchCable final : public io::Poller {
 public:
  PatchCable(SwitchPort& first, SwitchPort& second) : ports_{&first, &second} {}

  bool poll() noexcept override {
    for (SwitchPort* port : ports_)
      port->disarm();
    bool worked = move(*ports_[0], *ports_[1]);
    worked |= move(*ports_[1], *ports_[0]);
    if (worked) return true;
    const bool first = ports_[0]->arm(), second = ports_[1]->arm();
    return !first || !second;
  }

  uint64_t dropped = 0;  // frames that their port did not take

 private:
  bool move(SwitchPort& from, SwitchPort& to) noexcept {
    std::array<rte_mbuf*, kBurst> frames;
    const uint16_t count = from.receive(frames);
    if (count == 0) return false;
    dropped += count - to.transmit(std::span(frames).first(count));
    to.flush();
    for (rte_mbuf* frame : std::span(frames).first(count))
      rte_pktmbuf_free(frame);
    return true;
  }

  std::array<SwitchPort*, 2> ports_;
};

}  // namespace viridian::vswitch
