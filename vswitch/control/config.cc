#include "vswitch/control/config.h"

#include <algorithm>

#include "vswitch/control/acl_json.h"
#include "vswitch/frame.h"

namespace viridian::vswitch {
namespace {

constexpr std::pair<std::string_view, SwitchKind> kSwitchKinds[] = {
    {"private", SwitchKind::kPrivate},
    {"internal", SwitchKind::kInternal},
    {"external", SwitchKind::kExternal}};
constexpr std::pair<std::string_view, DeviceKind> kDeviceKinds[] = {
    {"tap", DeviceKind::kTap},
    {"af_packet", DeviceKind::kPacket},
    {"ethdev", DeviceKind::kEthdev},
    {"vhost-user", DeviceKind::kVhost},
    {"guest", DeviceKind::kGuest}};
constexpr std::pair<std::string_view, PortRole> kRoles[] = {
    {"guest", PortRole::kGuest}, {"host", PortRole::kHost}, {"uplink", PortRole::kUplink}};
constexpr std::pair<std::string_view, VlanMode> kVlanModes[] = {
    {"untagged", VlanMode::kUntagged},   {"access", VlanMode::kAccess},
    {"trunk", VlanMode::kTrunk},         {"isolated", VlanMode::kIsolated},
    {"community", VlanMode::kCommunity}, {"promiscuous", VlanMode::kPromiscuous}};
constexpr std::pair<std::string_view, MirrorMode> kMirrorModes[] = {
    {"none", MirrorMode::kNone},
    {"source", MirrorMode::kSource},
    {"destination", MirrorMode::kDestination}};

void read_name(Fields& fields, std::string& name) {
  fields.text("name", name);
  const bool printable =
      std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c <= '~'; });
  if (name.empty() || name.size() > kMaxNameBytes || !printable) {
    fields.fail_at(
        "name", fmt::format("must be 1 to {} printable characters without spaces", kMaxNameBytes));
  }
}

// The name of the device has a field of its own for each kind.
const char* name_field(DeviceKind kind) {
  switch (kind) {
    case DeviceKind::kTap:
    case DeviceKind::kPacket:
      return "interface";
    case DeviceKind::kEthdev:
      return "device";
    case DeviceKind::kVhost:
      return "socket";
    case DeviceKind::kGuest:
      break;
  }
  return nullptr;
}

void read_device(Fields& fields, DeviceConfig& device) {
  if (!fields.has("type"))
    fields.fail_at("type", "is missing; tap, af_packet and others are known");
  fields.choice<DeviceKind>("type", device.kind, kDeviceKinds);
  if (const char* name = name_field(device.kind); name != nullptr) {
    fields.text(name, device.name);
    if (device.name.empty()) fields.fail_at(name, "is missing");
  }
  if (device.kind != DeviceKind::kPacket && device.kind != DeviceKind::kGuest)
    fields.number("mtu", device.mtu, kMaxMtu);
  if (device.mtu < 68) fields.fail_at("mtu", "must be at least 68");
  if (device.kind == DeviceKind::kVhost) fields.flag("client", device.client);
}

void read_vlan(const Json& value, const std::string& path, std::string& error, VlanSettings& vlan) {
  Fields fields(value, path, error);
  fields.choice<VlanMode>("mode", vlan.mode, kVlanModes);
  fields.number("vlan", vlan.vlan);
  fields.number("secondary", vlan.secondary);
  std::string allowed;
  fields.text("allowed", allowed);
  const auto vlans = parse_vlans(allowed);
  if (!vlans) fields.fail_at("allowed", "\"" + allowed + "\" is not a list such as 1-100,200");
  if (vlans) vlan.allowed = *vlans;
  fields.finish();
}

PortConfig read_port(const Json& value, const std::string& path, std::string& error) {
  PortConfig port;
  PortSettings& settings = port.settings;
  Fields fields(value, path, error);
  read_name(fields, settings.name);
  read_device(fields, port.device);
  if (fields.has("worker")) fields.number("worker", port.worker.emplace(), kMaxWorkers - 1);
  fields.choice<PortRole>("role", settings.role, kRoles);
  fields.flag("link", settings.link);
  fields.flag("gro", settings.gro);
  if (const Json* vlan = fields.any("vlan"); vlan != nullptr)
    read_vlan(*vlan, fields.path_of("vlan"), error, settings.vlan);
  fields.address("mac", settings.mac);
  fields.flag("mac_guard", settings.mac_guard);
  fields.flag("dhcp_guard", settings.dhcp_guard);
  fields.flag("router_guard", settings.router_guard);
  fields.number("mac_limit", settings.mac_limit);
  fields.number("storm_limit", settings.storm_limit);
  fields.number("multicast_limit", settings.multicast_limit);
  fields.number("max_bits_per_second", settings.max_bits_per_second);
  fields.number("weight", settings.weight);
  fields.choice<MirrorMode>("mirror", settings.mirror, kMirrorModes);
  fields.list("acl", [&](const Json& rule, const std::string& at) {
    settings.acl.push_back(parse_rule(rule, at, error));
  });
  fields.list("static_macs", [&](const Json& one, const std::string& at) {
    Fields inner(one, at, error);
    settings.static_macs.emplace_back();
    inner.address("mac", settings.static_macs.back().mac);
    inner.number("vlan", settings.static_macs.back().vlan);
    inner.finish();
  });
  fields.finish();
  if (error.empty()) {
    if (const auto checked = check(settings); !checked)
      error = path + ": " + checked.error().message;
  }
  return port;
}

SwitchConfig read_switch(const Json& value, const std::string& path, std::string& error) {
  SwitchConfig result;
  SwitchSettings& settings = result.settings;
  settings.name.clear();
  Fields fields(value, path, error);
  read_name(fields, settings.name);
  fields.choice<SwitchKind>("kind", settings.kind, kSwitchKinds);
  fields.number("mac_capacity", settings.mac_capacity, kMaxMacs);
  if (settings.mac_capacity == 0) fields.fail_at("mac_capacity", "must be at least 1");
  fields.number("mac_age_s", settings.mac_age_s);
  fields.list("ports", [&](const Json& port, const std::string& at) {
    result.ports.push_back(read_port(port, at, error));
  });
  fields.finish();
  return result;
}

template <class T>
void put(Json& json, const char* name, const T& value, const T& usual) {
  if (!(value == usual)) json[name] = value;
}

Json vlan_to_json(const VlanSettings& vlan) {
  Json json = {{"mode", name_of<VlanMode>(kVlanModes, vlan.mode)}};
  put<uint16_t>(json, "vlan", vlan.vlan, 0);
  put<uint16_t>(json, "secondary", vlan.secondary, 0);
  put<std::string>(json, "allowed", to_text(vlan.allowed), "");
  return json;
}

}  // namespace

Result<HostConfig> parse_config(const Json& value, const std::string& path) {
  HostConfig config;
  std::string error;
  Fields fields(value, path, error);
  fields.list("switches", [&](const Json& one, const std::string& at) {
    config.switches.push_back(read_switch(one, at, error));
  });
  fields.finish();
  if (!error.empty()) return fail(ErrorKind::kInvalidArgument, "{}", error);
  VIRIDIAN_TRY(check(config));
  return config;
}

Json to_json(const PortConfig& config) {
  static const PortSettings kUsual;
  const PortSettings& port = config.settings;
  Json json = {{"name", port.name},
               {"type", name_of<DeviceKind>(kDeviceKinds, config.device.kind)}};
  if (const char* name = name_field(config.device.kind); name != nullptr)
    json[name] = config.device.name;
  put<uint16_t>(json, "mtu", config.device.mtu, 1500);
  put(json, "client", config.device.client, false);
  if (config.worker) json["worker"] = *config.worker;
  if (port.role != PortRole::kGuest) json["role"] = name_of<PortRole>(kRoles, port.role);
  put(json, "link", port.link, true);
  put(json, "gro", port.gro, false);
  if (port.vlan.mode != VlanMode::kUntagged) json["vlan"] = vlan_to_json(port.vlan);
  if (!port.mac.is_zero()) json["mac"] = port.mac.to_string();
  put(json, "mac_guard", port.mac_guard, false);
  put(json, "dhcp_guard", port.dhcp_guard, false);
  put(json, "router_guard", port.router_guard, false);
  put(json, "mac_limit", port.mac_limit, kUsual.mac_limit);
  put(json, "storm_limit", port.storm_limit, kUsual.storm_limit);
  put(json, "multicast_limit", port.multicast_limit, kUsual.multicast_limit);
  put(json, "max_bits_per_second", port.max_bits_per_second, kUsual.max_bits_per_second);
  put(json, "weight", port.weight, kUsual.weight);
  if (port.mirror != MirrorMode::kNone)
    json["mirror"] = name_of<MirrorMode>(kMirrorModes, port.mirror);
  for (const AclRule& rule : port.acl)
    json["acl"].push_back(to_json(rule));
  for (const StaticMac& one : port.static_macs)
    json["static_macs"].push_back({{"mac", one.mac.to_string()}, {"vlan", one.vlan}});
  return json;
}

Json to_json(const SwitchConfig& config) {
  static const SwitchSettings kUsual;
  Json json = {{"name", config.settings.name},
               {"kind", name_of<SwitchKind>(kSwitchKinds, config.settings.kind)}};
  put(json, "mac_capacity", config.settings.mac_capacity, kUsual.mac_capacity);
  put(json, "mac_age_s", config.settings.mac_age_s, kUsual.mac_age_s);
  json["ports"] = Json::array();
  for (const PortConfig& port : config.ports)
    json["ports"].push_back(to_json(port));
  return json;
}

Json to_json(const HostConfig& config) {
  Json json = {{"switches", Json::array()}};
  for (const SwitchConfig& one : config.switches)
    json["switches"].push_back(to_json(one));
  return json;
}

Result<void> check(const HostConfig& config) {
  if (config.switches.size() > kMaxSwitches)
    return fail(ErrorKind::kInvalidArgument, "switches: more than {}", kMaxSwitches);
  std::vector<const PortConfig*> devices;
  for (size_t i = 0; i < config.switches.size(); ++i) {
    const SwitchConfig& one = config.switches[i];
    for (size_t j = 0; j < i; ++j) {
      if (config.switches[j].settings.name == one.settings.name)
        return fail(ErrorKind::kInvalidArgument, "switch {}: there are two of this name",
                    one.settings.name);
    }
    if (one.ports.size() > kMaxPorts)
      return fail(ErrorKind::kInvalidArgument, "switch {}: ports: more than {}", one.settings.name,
                  kMaxPorts);
    for (size_t j = 0; j < one.ports.size(); ++j) {
      for (size_t k = 0; k < j; ++k)
        VIRIDIAN_TRY(check_beside(one.ports[j].settings, one.ports[k].settings, one.settings.name));
      const DeviceConfig& device = one.ports[j].device;
      const auto used = std::find_if(devices.begin(), devices.end(), [&](const PortConfig* other) {
        return device.kind != DeviceKind::kGuest && other->device.kind == device.kind &&
               other->device.name == device.name;
      });
      if (used != devices.end()) {
        return fail(ErrorKind::kInvalidArgument, "port {}: {} \"{}\" is used by port {}",
                    one.ports[j].settings.name, name_field(device.kind), device.name,
                    (*used)->settings.name);
      }
      devices.push_back(&one.ports[j]);
    }
  }
  return {};
}

}  // namespace viridian::vswitch
