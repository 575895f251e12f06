// One port as the data path sees it: its settings made into masks, and its list of frames that wait
// for transmit(). The worker's own; only the counters are read by others.
#pragma once

#include <array>
#include <vector>

#include "vswitch/flow_verdicts.h"
#include "vswitch/mac_table.h"
#include "vswitch/port_counters.h"
#include "vswitch/port_settings.h"
#include "vswitch/switch_port.h"
#include "vswitch/token_bucket.h"

namespace viridian::vswitch {

// What makes a frame that comes in by a port more than two addresses: a port without any of these
// pays for one test.
enum IngressFeature : uint32_t {
  kInDown = 1U << 0,
  kInMacGuard = 1U << 1,
  kInDhcpGuard = 1U << 2,
  kInRouterGuard = 1U << 3,
  kInAcl = 1U << 4,
};
constexpr uint32_t kInPacket = kInDhcpGuard | kInRouterGuard | kInAcl;  // look behind Ethernet

// The same for a frame that leaves by a port.
enum EgressFeature : uint32_t {
  kOutAcl = 1U << 0,
  kOutMirrored = 1U << 1,
};

// And when a burst is taken from it.
enum TurnFeature : uint32_t {
  kLimited = 1U << 0,
  kWeighted = 1U << 1,
  kCoalesced = 1U << 2,
};

struct alignas(64) PortState {
  PortState(PortId port_id, SwitchPort& switch_port) : id(port_id), port(&switch_port) {}

  // Whether a frame of the VLAN may leave here.
  bool is_in(uint16_t vlan_id) const noexcept { return vlan.out[vlan_id]; }

  // Read for each frame.
  PortId id;
  uint16_t waiting_count = 0;
  bool touched = false;  // in this round
  bool live = false;     // its role has a place in this kind of switch
  bool mirrored = false;
  bool captured = false;  // somebody watches it
  bool takes = false;     // PortFeatures::takes_frames
  bool remote = false;    // it lives on another worker of the switch
  SwitchPort* port;
  uint32_t ingress = 0;  // of IngressFeature
  uint32_t egress = 0;   // of EgressFeature
  uint32_t turn = 0;     // of TurnFeature
  uint32_t max_frame_bytes = 0;
  uint64_t missing_offloads = 0;  // flags of a frame that this port cannot take
  uint16_t ingress_vlan = 0;      // of an untagged frame
  uint16_t ingress_group = 0;     // the VLAN that its addresses are learned in
  uint64_t waiting_bytes = 0;
  uint64_t waiting_flags = 0;  // that any of those that wait has
  std::array<rte_mbuf*, kBurst> waiting{};

  // Read for some.
  PortVlan vlan;
  Acl acl_in;
  Acl acl_out;
  FlowVerdicts verdicts_in;   // of kInPacket
  FlowVerdicts verdicts_out;  // of kOutAcl
  uint64_t mac_bits = 0;
  uint64_t last_refused_mac = 0;  // by the guard: for a person who wonders
  uint32_t storm_s = 0;           // the second that these two are of
  uint32_t storm_count = 0;
  uint32_t multicast_count = 0;
  TokenBucket bucket;
  int64_t credit_bytes = 0;  // of its weight's share
  PortCounters counters;

  // Read by control alone.
  PortSettings settings;
  PortFeatures features;
};

}  // namespace viridian::vswitch
