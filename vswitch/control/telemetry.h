// The switches in DPDK's telemetry (rte_telemetry.h), beside what DPDK tells there of itself: for
// its dpdk-telemetry.py and for collectors that speak the same protocol. The commands are told in
// docs/vswitch-control.md; they only read.
//
// Control's thread makes and destroys it; DPDK's own threads ask, inside SwitchHost::alone(). There
// is a socket if DpdkOptions::telemetry asked for it.
#pragma once

#include "vswitch/control/switch_host.h"

namespace viridian::vswitch {

// While it lives, the switches of `host` are shown: one host of a process at a time.
class Telemetry {
 public:
  // From now on the host's other callers use alone() as well.
  explicit Telemetry(SwitchHost& host);
  ~Telemetry();  // returns when nobody asks any more; not inside alone()
  Telemetry(const Telemetry&) = delete;
  Telemetry& operator=(const Telemetry&) = delete;
};

}  // namespace viridian::vswitch
