// What would become of one frame, and why: for a person who wonders where it went.
#pragma once

#include <string>
#include <vector>

#include "vswitch/drop_reason.h"
#include "vswitch/mac_table.h"

namespace viridian::vswitch {

struct Explanation {
  struct Receiver {
    PortId port;
    DropReason reason;  // kNone: it gets the frame
    bool operator==(const Receiver&) const = default;
  };

  DropReason reason = DropReason::kNone;  // of the port that it comes in by
  uint16_t vlan = 0;
  bool flooded = false;
  std::vector<Receiver> receivers;
  std::vector<PortId> mirrors;  // get a copy besides

  // "dropped: mac-guard (its source is not the address of the port)" and the like.
  std::string text() const;
};

}  // namespace viridian::vswitch
