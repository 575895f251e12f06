// Why the switch drops a frame. Each port counts its drops by these.
//
// Reasons above kFirstEgressReason are counted on the port that a frame would have left by, the
// others on the one that it came in by.
#pragma once

#include <cstdint>
#include <string_view>

namespace viridian::vswitch {

enum class DropReason : uint8_t {
  kNone,             // not dropped
  kPortDown,         // its link is off, or its role has no place in this kind of switch
  kRunt,             // shorter than an Ethernet header
  kTooLong,          // longer than kMaxFrameBytes
  kBadSource,        // from a multicast address or from zero
  kBadOffload,       // what it asks to be done before a wire does not fit its headers
  kVlan,             // tagged on a port without a trunk, or with a VLAN that is not allowed
  kMacGuard,         // from an address that is not the port's
  kDhcpGuard,        // a DHCP server's message
  kRouterGuard,      // a router's advertisement or redirect
  kAcl,              // a rule of the port denies it
  kStormLimit,       // more broadcast, unknown or multicast frames than the port may send
  kReservedAddress,  // to 01:80:c2:00:00:0x, which no bridge forwards
  kSamePort,         // its destination is where it came from
  kNoReceiver,       // nobody is in its VLAN
  kVlanOut,          // its destination is not in its VLAN
  kAclOut,           // a rule of the destination's port denies it
  kMtu,              // larger than the destination's MTU
  kNoBuffer,         // the switch's own pool was empty
  kPortFull,         // the destination did not take it
  kNoCarrier,        // nobody is at the other end of the destination's port
  kWorkerFull,       // the worker of the destination's port did not take it
  kCount,
};

constexpr DropReason kFirstEgressReason = DropReason::kAclOut;

// A word for programs ("mac-guard") and a sentence for people.
std::string_view name_of(DropReason reason) noexcept;
std::string_view meaning_of(DropReason reason) noexcept;

}  // namespace viridian::vswitch
