#include "vswitch/drop_reason.h"

#include <array>

namespace viridian::vswitch {
namespace {

struct Text {
  std::string_view name;
  std::string_view meaning;
};

constexpr std::array<Text, static_cast<size_t>(DropReason::kCount)> kTexts = {{
    {"none", "it is not dropped"},
    {"port-down", "the port's link is off, or this kind of switch does not connect its role"},
    {"runt", "it is shorter than an Ethernet header"},
    {"too-long", "it is longer than any frame may be"},
    {"bad-source", "its source is a multicast address or zero"},
    {"bad-offload", "the offload that it asks for does not fit its headers"},
    {"vlan", "the port does not take frames with this VLAN tag"},
    {"mac-guard", "its source is not the address of the port"},
    {"dhcp-guard", "it is a message of a DHCP server"},
    {"router-guard", "it is a router's advertisement or redirect"},
    {"acl", "a rule of the port denies it"},
    {"storm-limit", "the port has sent its share of flooded frames for this second"},
    {"reserved-address", "no bridge forwards frames to this address"},
    {"same-port", "its destination is at the port it came from"},
    {"no-receiver", "no other port is in its VLAN"},
    {"vlan-out", "the port of its destination is not in its VLAN"},
    {"acl-out", "a rule of the destination's port denies it"},
    {"mtu", "it is larger than the MTU of the destination's port"},
    {"no-buffer", "the switch had no buffer left"},
    {"port-full", "the destination's port did not take it"},
    {"no-carrier", "nobody is at the other end of the destination's port"},
    {"worker-full", "the worker of the destination's port did not take it"},
}};

}  // namespace

std::string_view name_of(DropReason reason) noexcept {
  return kTexts.at(static_cast<size_t>(reason)).name;
}
std::string_view meaning_of(DropReason reason) noexcept {
  return kTexts.at(static_cast<size_t>(reason)).meaning;
}

}  // namespace viridian::vswitch
