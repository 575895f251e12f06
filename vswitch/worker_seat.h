// Where one worker of a switch sits among the others: its ends of the links, its doorbell, and what
// the workers tell each other of their ports. Made by a SwitchGroup.
#pragma once

#include <array>
#include <atomic>
#include <vector>

#include "base/counter.h"
#include "vswitch/worker_link.h"

namespace viridian::vswitch {

// The MTU of each port as its worker saw it last. Written by that worker alone.
using MtuBoard = std::array<std::atomic<uint16_t>, kMaxPorts>;

struct WorkerSeat {
  struct Peer {
    WorkerLink* to;
    WorkerLink* from;
  };

  MtuBoard* mtus = nullptr;
  WorkerBell bell;
  std::vector<Peer> peers;
  Counter strays;  // frames that came for a port that had gone
};

}  // namespace viridian::vswitch
