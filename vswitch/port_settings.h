// What an administrator sets for a switch and for one port. Plain values: check() finds what makes
// no sense, and the switch turns them into what its data path tests.
#pragma once

#include <bitset>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "vswitch/acl.h"
#include "vswitch/limits.h"
#include "vswitch/mac_address.h"

namespace viridian::vswitch {

enum class SwitchKind : uint8_t {
  kPrivate,   // connects guests
  kInternal,  // and the host's port
  kExternal,  // and an uplink
};

struct SwitchSettings {
  std::string name = "switch";
  SwitchKind kind = SwitchKind::kPrivate;
  uint32_t mac_capacity = kDefaultMacs;
  uint32_t mac_age_s = kDefaultMacAgeS;
};

using VlanSet = std::bitset<kVlanCount>;

enum class PortRole : uint8_t {
  kGuest,
  kHost,    // the host's own port: connected in internal and external switches
  kUplink,  // the way out: connected in external switches
};

// VLAN 0 stands for "untagged": frames of ports that know nothing of VLANs.
enum class VlanMode : uint8_t {
  kUntagged,     // in VLAN 0; sends and gets frames without a tag
  kAccess,       // in `vlan`; sends and gets frames without a tag
  kTrunk,        // in `allowed` with tags, and in `vlan` (its native VLAN, may be 0) without
  kIsolated,     // private VLAN `vlan`, `secondary`: reaches promiscuous ports alone
  kCommunity,    // private VLAN `vlan`, `secondary`: and the ports of its community
  kPromiscuous,  // private VLAN `vlan`: reaches all whose secondary is in `allowed`
};

struct VlanSettings {
  bool has_secondary() const noexcept {
    return mode == VlanMode::kIsolated || mode == VlanMode::kCommunity;
  }

  VlanMode mode = VlanMode::kUntagged;
  uint16_t vlan = 0;
  uint16_t secondary = 0;
  VlanSet allowed{};
};

enum class MirrorMode : uint8_t { kNone, kSource, kDestination };

// An address that stays at a port until the port goes.
struct StaticMac {
  MacAddress mac;
  uint16_t vlan = 0;
};

struct PortSettings {
  std::string name{};
  PortRole role = PortRole::kGuest;
  bool link = true;  // false: the cable is out
  bool gro = false;  // TCP segments that come in one after another are joined
  VlanSettings vlan{};

  MacAddress mac{};        // of the guest, for the guard; known from the start and never moved
  bool mac_guard = false;  // needs `mac`
  bool dhcp_guard = false;
  bool router_guard = false;
  uint32_t mac_limit = kDefaultPortMacs;

  // Frames a second into the switch, 0: no limit.
  uint32_t storm_limit = kDefaultStormLimit;  // broadcast and unknown unicast
  uint32_t multicast_limit = 0;

  uint64_t max_bits_per_second = 0;  // into the switch, 0: no limit
  uint16_t weight = 0;               // share of the worker when there is too much; 0 counts as 1

  MirrorMode mirror = MirrorMode::kNone;
  std::vector<AclRule> acl{};
  std::vector<StaticMac> static_macs{};
};

// The first setting that makes no sense, by its name.
Result<void> check(const PortSettings& settings);

// What the settings of a port must not be because of another's on the same switch.
Result<void> check_beside(const PortSettings& settings, const PortSettings& other,
                          std::string_view switch_name);

// A VLAN mode as the data path sees it.
struct PortVlan {
  uint16_t ingress = 0;       // the VLAN of a frame that comes without a tag
  uint16_t untagged_out = 0;  // leaves without a tag although tags_out
  bool tags_out = false;      // other frames leave with a tag
  VlanSet tagged_in;          // may come with a tag
  VlanSet out;                // leave by this port
};
PortVlan compile(const VlanSettings& settings);

}  // namespace viridian::vswitch
