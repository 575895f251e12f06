// What one port counts. Its worker alone writes them, any thread reads them.
//
// When all is quiet: the sum over all ports of rx_frames and copies equals that of tx_frames,
// coalesced and all drops. `copies` are the frames that the switch made more of: a flooded frame
// has one for each receiver but the first, a segmented one for each segment but the first.
#pragma once

#include <array>

#include "base/counter.h"
#include "vswitch/drop_reason.h"

namespace viridian::vswitch {

struct PortCounters {
  Counter rx_frames;  // from outside into the switch, before anything was dropped
  Counter rx_bytes;
  Counter tx_frames;  // taken by the port
  Counter tx_bytes;
  Counter copies;
  Counter coalesced;      // frames that became part of the one before (coalesce.h)
  Counter flooded;        // frames that came in here for everybody
  Counter moves_refused;  // an address moved here too often, and stays elsewhere for a while
  Counter macs_refused;   // an address was not learned: the port's or the switch's limit
  std::array<Counter, static_cast<size_t>(DropReason::kCount)> drops;

  Counter& dropped(DropReason reason) noexcept { return drops[static_cast<size_t>(reason)]; }
  uint64_t dropped(DropReason reason) const noexcept {
    return drops[static_cast<size_t>(reason)].get();
  }
  // For sums over the workers of a switch.
  void add(const PortCounters& other) noexcept {
    for (Counter PortCounters::*one :
         {&PortCounters::rx_frames, &PortCounters::rx_bytes, &PortCounters::tx_frames,
          &PortCounters::tx_bytes, &PortCounters::copies, &PortCounters::coalesced,
          &PortCounters::flooded, &PortCounters::moves_refused, &PortCounters::macs_refused})
      (this->*one).add((other.*one).get());
    for (size_t i = 0; i < drops.size(); ++i)
      drops[i].add(other.drops[i].get());
    static_assert(sizeof(PortCounters) == sizeof(drops) + 9 * sizeof(Counter));  // all of them
  }
  uint64_t all_dropped() const noexcept {
    uint64_t sum = 0;
    for (const Counter& one : drops)
      sum += one.get();
    return sum;
  }
};

}  // namespace viridian::vswitch
