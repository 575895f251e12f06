// NICs and switches in the configuration: the arguments of --net and --switch, and the fields of
// "nics" and "switches" in the JSON file.
#include "vmm-minimal/config.h"
#include "vmm-minimal/config_values.h"

namespace viridian::vmm {
namespace {

constexpr size_t kMaxSwitchName = 32;
constexpr size_t kMaxInterfaceName = 15;  // IFNAMSIZ
constexpr size_t kMaxSocketPath = 107;    // sockaddr_un
constexpr unsigned kMinMtu = 576, kMaxMtu = 9000;

Result<void> set_kind(NetConfig& nic, std::string_view value) {
  return set_choice<NetKind>(nic.kind, value,
                             {{"netvsp", NetKind::kNetvsp}, {"tulip", NetKind::kTulip}},
                             "is no kind of NIC; known are");
}

Result<void> set_mirror(vswitch::MirrorMode& target, std::string_view value) {
  using vswitch::MirrorMode;
  return set_choice<MirrorMode>(target, value,
                                {{"none", MirrorMode::kNone},
                                 {"source", MirrorMode::kSource},
                                 {"destination", MirrorMode::kDestination}},
                                "is no kind of mirror; known are");
}

// Linux's tulip driver takes addresses that begin so for a board maker's mistake.
bool is_swapped_by_linux(const vswitch::MacAddress& mac) {
  const uint8_t first = mac.bytes[0];
  return (first == 0xA0 || first == 0xC0 || first == 0x02) && mac.bytes[1] == 0;
}

Result<void> set_mac(NetConfig& nic, std::string_view value) {
  const auto mac = vswitch::parse_mac(value);
  if (!mac || mac->is_multicast() || mac->is_zero()) {
    return fail(ErrorKind::kInvalidArgument,
                "'{}' is not the address of one NIC, such as 00:15:5d:01:02:03", value);
  }
  nic.mac = *mac;
  return {};
}

Result<void> set_vlan(vswitch::VlanSettings& target, std::string_view value) {
  vswitch::VlanSettings vlan;
  if (value == "trunk") {
    vlan.mode = vswitch::VlanMode::kTrunk;
    for (uint16_t id = 1; id <= vswitch::kMaxVlan; ++id)
      vlan.allowed.set(id);
  } else if (const auto id = parse_number<unsigned>(value);
             id && *id >= 1 && *id <= vswitch::kMaxVlan) {
    vlan.mode = vswitch::VlanMode::kAccess;
    vlan.vlan = static_cast<uint16_t>(*id);
  } else {
    return fail(ErrorKind::kInvalidArgument, "'{}' is neither trunk nor a number from 1 to {}",
                value, vswitch::kMaxVlan);
  }
  target = vlan;
  return {};
}

// "kind,field=value,field=value"
template <class Set>
Result<void> set_options(std::string_view rest, const Set& set) {
  VIRIDIAN_TRY(set("kind", rest.substr(0, rest.find(','))));
  while (rest.find(',') != rest.npos) {
    rest.remove_prefix(rest.find(',') + 1);
    const std::string_view option = rest.substr(0, rest.find(','));
    const size_t at = option.find('=');
    VIRIDIAN_TRY(set(option.substr(0, at), at == option.npos ? "" : option.substr(at + 1)));
  }
  return {};
}

}  // namespace

Result<unsigned> parse_nic(std::string_view text) {
  if (text.starts_with("nic")) {
    const auto index = parse_number<unsigned>(text.substr(3));
    if (index && *index < kMaxNics) return *index;
  }
  return fail(ErrorKind::kInvalidArgument, "'{}' is not nic0 to nic{}", text, kMaxNics - 1);
}

Result<void> set_net_field(NetConfig& nic, std::string_view field, std::string_view value) {
  if (field == "nic") {
    const auto index = parse_nic(value);
    if (!index) return Unexpected(index.error());
    nic.index = *index;
    return {};
  }
  if (field == "kind") return set_kind(nic, value);
  if (field == "switch") return set_printable(nic.switch_name, value, kMaxSwitchName);
  if (field == "mac") return set_mac(nic, value);
  if (field == "vlan") return set_vlan(nic.vlan, value);
  if (field == "queues") return set_number(nic.queues, value, 1, kMaxQueues);
  if (field == "mirror") return set_mirror(nic.mirror, value);
  return fail(ErrorKind::kInvalidArgument,
              "is not a field of a NIC; known are nic, kind, switch, mac, vlan, queues and mirror");
}

Result<NetConfig> parse_net(std::string_view text) {
  NetConfig nic;
  const size_t equals = text.find('=');
  const auto index = parse_nic(text.substr(0, equals));
  if (!index) return Unexpected(index.error());
  nic.index = *index;
  const auto set = [&](std::string_view field, std::string_view value) -> Result<void> {
    auto done = set_net_field(nic, field, value);
    if (done) return {};
    return with_context(fmt::format("nic{}: {}", nic.index, field), std::move(done).error());
  };
  VIRIDIAN_TRY(set_options(equals == text.npos ? "" : text.substr(equals + 1), set));
  return nic;
}

Result<void> set_switch_field(SwitchConfig& config, std::string_view field,
                              std::string_view value) {
  using vswitch::SwitchKind;
  if (field == "name") return set_printable(config.name, value, kMaxSwitchName);
  if (field == "kind") {
    return set_choice<SwitchKind>(config.kind, value,
                                  {{"private", SwitchKind::kPrivate},
                                   {"internal", SwitchKind::kInternal},
                                   {"external", SwitchKind::kExternal}},
                                  "is no kind of switch; known are");
  }
  if (field == "tap") return set_printable(config.tap, value, kMaxInterfaceName);
  if (field == "vhost") return set_printable(config.vhost, value, kMaxSocketPath);
  if (field == "vlan") return set_vlan(config.vlan, value);
  if (field == "mirror") return set_mirror(config.mirror, value);
  if (field == "mtu") {
    unsigned mtu = 0;
    VIRIDIAN_TRY(set_number(mtu, value, kMinMtu, kMaxMtu));
    config.mtu = static_cast<uint16_t>(mtu);
    return {};
  }
  return fail(ErrorKind::kInvalidArgument,
              "is not a field of a switch; known are name, kind, tap, vhost, mtu, vlan and mirror");
}

Result<SwitchConfig> parse_switch(std::string_view text) {
  SwitchConfig config;
  const size_t equals = text.find('=');
  const auto set = [&](std::string_view field, std::string_view value) -> Result<void> {
    auto done = set_switch_field(config, field, value);
    if (done) return {};
    return with_context(fmt::format("{}: {}", text.substr(0, equals), field),
                        std::move(done).error());
  };
  VIRIDIAN_TRY(set("name", text.substr(0, equals)));
  VIRIDIAN_TRY(set_options(equals == text.npos ? "" : text.substr(equals + 1), set));
  return config;
}

Result<void> validate_nics(const Config& config) {
  const std::span<const NetConfig> nics = config.nics;
  for (size_t i = 0; i < nics.size(); ++i) {
    const NetConfig& nic = nics[i];
    const bool emulated = nic.kind == NetKind::kTulip;
    if (!emulated && !config.hyperv) {
      return fail(ErrorKind::kInvalidArgument,
                  "nic{}: kind: netvsp is on VMBus, which --no-hyperv switches off", nic.index);
    }
    if (emulated && nic.queues != 0) {
      return fail(ErrorKind::kInvalidArgument, "nic{}: queues: a 21140 has none", nic.index);
    }
    if (emulated && is_swapped_by_linux(nic.mac)) {
      return fail(ErrorKind::kInvalidArgument,
                  "nic{}: mac: Linux's tulip driver swaps the bytes of '{}'; choose one that does "
                  "not begin with 02:00, a0:00 or c0:00",
                  nic.index, nic.mac.to_string());
    }
    for (size_t j = 0; j < i; ++j) {
      if (nics[i].index == nics[j].index) {
        return fail(ErrorKind::kInvalidArgument, "nic{}: given twice", nics[i].index);
      }
      if (!nics[i].mac.is_zero() && nics[i].mac == nics[j].mac) {
        return fail(ErrorKind::kInvalidArgument, "nic{}: mac: {} is nic{}'s too", nics[i].index,
                    nics[i].mac.to_string(), nics[j].index);
      }
    }
  }
  return {};
}

}  // namespace viridian::vmm
