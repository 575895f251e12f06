// What switches and their ports count, for programs (JSON, OpenMetrics) and as rates. Counters are
// read while the worker writes them. Control's thread.
#pragma once

#include <map>
#include <string>

#include "vswitch/control/switch_host.h"

namespace viridian::vswitch {

// All counters of a port, summed over the workers; of the drops, those that are not zero.
Json counters_to_json(const SwitchGroup& group, PortId port);

// Rates of all ports between two samples. Nothing for a port that was not there at both.
class RateMeter {
 public:
  void sample(const SwitchHost& host, uint64_t now_ns);
  Json rates(const SwitchGroup& group, PortId port) const;  // null if there are none

 private:
  struct Reading {
    uint64_t rx_frames = 0, rx_bytes = 0, tx_frames = 0, tx_bytes = 0, drops = 0;
  };
  struct Pair {
    Reading last;
    uint64_t last_ns = 0;
    Reading difference;
    uint64_t difference_ns = 0;
  };
  std::map<const PortCounters*, Pair> ports_;  // by what its own worker counts
};

// OpenMetrics 1.0 text, as Prometheus reads it.
std::string to_open_metrics(const SwitchHost& host);

}  // namespace viridian::vswitch
