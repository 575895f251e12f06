// Access rules of a port: which IP packets it may send and get, by their 5-tuple.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "base/result.h"
#include "vswitch/packet.h"

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

// The first condition that makes no sense, by its name.
Result<void> check(const AclRule& rule);

// The rules of one direction, ready to judge. They judge IP alone: any other frame passes. A packet
// whose headers are unclear is denied as soon as there is a rule, since it could hide from it; a
// later fragment has no ports, so it matches no rule that asks for some. A flow is judged once and
// remembered in a table of fixed size, so the number of rules does not matter for its next packets.
class Acl {
 public:
  Acl() = default;
  Acl(const std::vector<AclRule>& rules, AclDirection direction);

  bool empty() const noexcept { return rules_.empty(); }
  AclAction judge(const Packet& packet) noexcept;
  AclAction judge_anew(const Packet& packet) const noexcept;  // without the table

 private:
  using Words = std::array<uint64_t, 4>;  // source and destination address
  struct Rule {
    Words mask{};
    Words value{};
    PortRange source_ports;
    PortRange destination_ports;
    AclAction action = AclAction::kDeny;
    uint8_t family = 0;  // 4, 6, 0: either
    bool any_protocol = true;
    uint8_t protocol = 0;
    bool needs_ports = false;
  };
  struct alignas(64) Remembered {
    Packet packet;
    AclAction action = AclAction::kAllow;
    bool used = false;
  };

  static bool matches(const Rule& rule, const Packet& packet, const Words& addresses) noexcept;

  std::vector<Rule> rules_;  // in the order that they decide in
  std::vector<Remembered> flows_;
};

}  // namespace viridian::vswitch
