// Access rules of a port: which IP packets it may send and get, by their 5-tuple.
#pragma once

#include <array>
#include <cstdint>

namespace viridian::vswitch {

enum class AclDirection : uint8_t { kIn, kOut };  // into the switch; out of it, to the port
enum class AclAction : uint8_t { kAllow, kDeny };
enum class IpFamily : uint8_t { kAny, kIpv4, kIpv6 };

// The first `length` bits of an address; an IPv4 address is the first four bytes.
struct IpPrefix {
  std::array<uint8_t, 16> address{};
  uint8_t length = 0;
};

struct PortRange {
  uint16_t first = 0;
  uint16_t last = 0xFFFF;
};

// Matches a packet if all of its conditions do. Of several rules that match, the one with the
// greatest weight decides; of equal weights, the one that stands first. None: allowed.
struct AclRule {
  AclDirection direction = AclDirection::kIn;
  AclAction action = AclAction::kDeny;
  uint16_t weight = 0;
  IpFamily family = IpFamily::kAny;
  IpPrefix source{};       // needs a family unless it is empty
  IpPrefix destination{};  // likewise
  bool any_protocol = true;
  uint8_t protocol = 0;
  PortRange source_ports{};  // anything but all of them needs TCP, UDP or SCTP as protocol
  PortRange destination_ports{};
};

}  // namespace viridian::vswitch
