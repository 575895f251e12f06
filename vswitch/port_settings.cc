#include "vswitch/port_settings.h"

#include "vswitch/token_bucket.h"

namespace viridian::vswitch {
namespace {

Result<void> check_vlan(const std::string& name, const VlanSettings& vlan) {
  const auto is_vlan = [](uint16_t id) { return id >= 1 && id <= kMaxVlan; };
  const bool is_private = vlan.mode == VlanMode::kIsolated || vlan.mode == VlanMode::kCommunity ||
                          vlan.mode == VlanMode::kPromiscuous;
  if ((vlan.mode == VlanMode::kAccess || is_private) && !is_vlan(vlan.vlan)) {
    return fail(ErrorKind::kInvalidArgument, "port {}: vlan is {}; it must be 1 to {}", name,
                vlan.vlan, kMaxVlan);
  }
  if (vlan.mode == VlanMode::kUntagged && vlan.vlan != 0) {
    return fail(ErrorKind::kInvalidArgument,
                "port {}: vlan is {}, but an untagged port has none; use the mode access", name,
                vlan.vlan);
  }
  if (vlan.mode == VlanMode::kTrunk && vlan.vlan > kMaxVlan) {
    return fail(ErrorKind::kInvalidArgument, "port {}: the native vlan is {}; it must be 0 to {}",
                name, vlan.vlan, kMaxVlan);
  }
  if (vlan.has_secondary() && (!is_vlan(vlan.secondary) || vlan.secondary == vlan.vlan)) {
    return fail(ErrorKind::kInvalidArgument,
                "port {}: secondary is {}; it must be 1 to {} and not the primary vlan", name,
                vlan.secondary, kMaxVlan);
  }
  const bool has_list = vlan.mode == VlanMode::kTrunk || vlan.mode == VlanMode::kPromiscuous;
  if (has_list && (vlan.allowed.test(0) || vlan.allowed.test(kVlanCount - 1))) {
    return fail(ErrorKind::kInvalidArgument,
                "port {}: allowed has VLAN 0 or 4095, which are reserved", name);
  }
  if (vlan.mode == VlanMode::kPromiscuous && vlan.allowed.test(vlan.vlan)) {
    return fail(ErrorKind::kInvalidArgument,
                "port {}: allowed has the primary vlan {}; it lists secondary ones", name,
                vlan.vlan);
  }
  return {};
}

Result<void> check_static_macs(const PortSettings& settings) {
  if (settings.static_macs.size() > kMaxStaticMacs) {
    return fail(ErrorKind::kInvalidArgument, "port {}: static_macs has {} addresses, more than {}",
                settings.name, settings.static_macs.size(), kMaxStaticMacs);
  }
  for (const StaticMac& one : settings.static_macs) {
    if (one.mac.is_multicast() || one.mac.is_zero()) {
      return fail(ErrorKind::kInvalidArgument,
                  "port {}: static_macs: {} is not the address of one station", settings.name,
                  one.mac.to_string());
    }
    if (one.vlan > kMaxVlan) {
      return fail(ErrorKind::kInvalidArgument,
                  "port {}: static_macs: vlan is {}; it must be 0 to {}", settings.name, one.vlan,
                  kMaxVlan);
    }
  }
  return {};
}

}  // namespace

Result<void> check(const PortSettings& settings) {
  if (settings.name.empty()) return fail(ErrorKind::kInvalidArgument, "a port has no name");
  VIRIDIAN_TRY(check_vlan(settings.name, settings.vlan));
  if (settings.mac.is_multicast()) {
    return fail(ErrorKind::kInvalidArgument, "port {}: mac {} is a multicast address",
                settings.name, settings.mac.to_string());
  }
  if (settings.mac_guard && settings.mac.is_zero()) {
    return fail(ErrorKind::kInvalidArgument, "port {}: mac_guard needs mac", settings.name);
  }
  if (settings.acl.size() > kMaxAclRules) {
    return fail(ErrorKind::kInvalidArgument, "port {}: acl has {} rules, more than {}",
                settings.name, settings.acl.size(), kMaxAclRules);
  }
  for (const AclRule& rule : settings.acl) {
    if (auto checked = check(rule); !checked) {
      return Unexpected(
          with_context(fmt::format("port {}", settings.name), std::move(checked).error()));
    }
  }
  if (settings.max_bits_per_second != 0 &&
      settings.max_bits_per_second < TokenBucket::kLeastBitsPerSecond) {
    return fail(ErrorKind::kInvalidArgument,
                "port {}: max_bits_per_second is {}; it must be 0 or at least {}", settings.name,
                settings.max_bits_per_second, TokenBucket::kLeastBitsPerSecond);
  }
  return check_static_macs(settings);
}

Result<void> check_beside(const PortSettings& settings, const PortSettings& other,
                          std::string_view switch_name) {
  if (other.name == settings.name) {
    return fail(ErrorKind::kInvalidArgument, "port {}: switch {} has a port of this name",
                settings.name, switch_name);
  }
  if (other.role == PortRole::kUplink && settings.role == PortRole::kUplink) {
    return fail(ErrorKind::kInvalidArgument, "port {}: switch {} has an uplink, port {}",
                settings.name, switch_name, other.name);
  }
  const VlanSettings& a = settings.vlan;
  const VlanSettings& b = other.vlan;
  if (a.has_secondary() && b.has_secondary() && a.secondary == b.secondary &&
      (a.vlan != b.vlan || a.mode != b.mode)) {
    return fail(ErrorKind::kInvalidArgument,
                "port {}: secondary {} is used otherwise by port {}; a secondary VLAN has one "
                "primary and is either isolated or a community",
                settings.name, a.secondary, other.name);
  }
  return {};
}

PortVlan compile(const VlanSettings& settings) {
  PortVlan result;
  result.ingress = settings.vlan;
  result.untagged_out = settings.vlan;
  result.out.set(settings.vlan);
  switch (settings.mode) {
    case VlanMode::kUntagged:
    case VlanMode::kAccess:
      break;
    case VlanMode::kTrunk:
      result.tags_out = true;
      result.out |= settings.allowed;
      result.tagged_in = settings.allowed;
      if (settings.vlan != 0) result.tagged_in.set(settings.vlan);
      break;
    case VlanMode::kIsolated:
      result.ingress = settings.secondary;
      break;
    case VlanMode::kCommunity:
      result.ingress = settings.secondary;
      result.out.set(settings.secondary);
      break;
    case VlanMode::kPromiscuous:
      result.out |= settings.allowed;
      break;
  }
  return result;
}

}  // namespace viridian::vswitch
