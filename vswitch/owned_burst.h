// transmit() of a port that takes frames over, where some have to go as a copy or under a second
// header: of a frame and its stand-in one is left, whatever the other end takes. Data path.
#pragma once

#include <rte_mbuf.h>

#include <array>
#include <span>

#include "vswitch/frame.h"

namespace viridian::vswitch {

// `own` gives what may go for a frame: itself, a stand-in, or null if there is no memory. `send`
// takes these from the front and says how many; the frames that it leaves are the caller's still.
template <class Own, class Send>
uint16_t transmit_owned(std::span<rte_mbuf* const> frames, Own&& own, Send&& send) noexcept {
  std::array<rte_mbuf*, kBurst> burst;
  uint16_t count = 0;
  for (rte_mbuf* frame : frames) {
    burst[count] = own(*frame);
    if (burst[count] == nullptr) break;
    ++count;
  }
  const uint16_t sent = send(std::span(burst).first(count));
  for (uint16_t i = 0; i < count; ++i) {
    if (burst[i] != frames[i]) rte_pktmbuf_free(i < sent ? frames[i] : burst[i]);
  }
  return sent;
}

}  // namespace viridian::vswitch
