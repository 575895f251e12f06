// One port as the data path sees it: its settings made into masks, and its list of frames that wait
// for transmit(). The worker's own; only the counters are read by others.
#pragma once

#include <array>

#include "vswitch/mac_table.h"
#include "vswitch/port_counters.h"
#include "vswitch/port_settings.h"
#include "vswitch/switch_port.h"

namespace viridian::vswitch {

// What makes a frame that comes in by a port more than an address: none of these, and one test is
// all that they cost.
enum IngressFeature : uint32_t {
  kInDown = 1U << 0,
  kInMacGuard = 1U << 1,
  kInDhcpGuard = 1U << 2,
  kInRouterGuard = 1U << 3,
  kInAcl = 1U << 4,
};

// The same for a frame that leaves by a port.
enum EgressFeature : uint32_t {
  kOutDown = 1U << 0,
  kOutAcl = 1U << 1,
  kOutMirrored = 1U << 2,
};

struct alignas(64) PortState {
  PortState(PortId port_id, SwitchPort& switch_port) : id(port_id), port(&switch_port) {}

  // Whether a frame of the VLAN may leave here.
  bool is_in(uint16_t vlan_id) const noexcept { return vlan.out.test(vlan_id); }

  PortId id;
  uint16_t waiting_count = 0;
  bool touched = false;  // in this round
  bool live = true;      // its role has a place in this kind of switch
  SwitchPort* port;
  uint32_t ingress = 0;  // of IngressFeature
  uint32_t egress = 0;   // of EgressFeature
  uint32_t max_frame_bytes = 0;
  uint64_t missing_offloads = 0;  // flags of a frame that this port cannot take
  uint16_t ingress_vlan = 0;      // of an untagged frame
  uint16_t ingress_group = 0;     // the VLAN that its addresses are learned in
  std::array<rte_mbuf*, kBurst> waiting{};

  PortVlan vlan;
  PortSettings settings;
  PortFeatures features;
  PortCounters counters;
};

}  // namespace viridian::vswitch
