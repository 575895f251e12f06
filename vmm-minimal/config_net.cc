// NICs in the configuration: the --net argument, and the fields of "nics" in the JSON file.
#include <algorithm>
#include <charconv>

#include "vmm-minimal/config.h"

namespace viridian::vmm {
namespace {

constexpr size_t kMaxSwitchName = 32;

std::optional<unsigned> parse_number(std::string_view text) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return value;
}

Result<void> set_kind(NetConfig& nic, std::string_view value) {
  if (value == "tulip") {
    nic.kind = NetKind::kTulip;
    return {};
  }
  return fail(ErrorKind::kInvalidArgument, "'{}' is no kind of NIC; known is tulip", value);
}

Result<void> set_switch(NetConfig& nic, std::string_view value) {
  const bool printable =
      std::all_of(value.begin(), value.end(), [](char c) { return c > ' ' && c <= '~'; });
  if (value.empty() || value.size() > kMaxSwitchName || !printable) {
    return fail(ErrorKind::kInvalidArgument, "'{}' is not 1 to {} printable characters", value,
                kMaxSwitchName);
  }
  nic.switch_name = value;
  return {};
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
  if (is_swapped_by_linux(*mac)) {
    return fail(ErrorKind::kInvalidArgument,
                "Linux's tulip driver swaps the bytes of '{}'; choose one that does not begin with "
                "02:00, a0:00 or c0:00",
                value);
  }
  nic.mac = *mac;
  return {};
}

Result<void> set_vlan(NetConfig& nic, std::string_view value) {
  vswitch::VlanSettings vlan;
  if (value == "trunk") {
    vlan.mode = vswitch::VlanMode::kTrunk;
    for (uint16_t id = 1; id <= vswitch::kMaxVlan; ++id)
      vlan.allowed.set(id);
  } else if (const auto id = parse_number(value); id && *id >= 1 && *id <= vswitch::kMaxVlan) {
    vlan.mode = vswitch::VlanMode::kAccess;
    vlan.vlan = static_cast<uint16_t>(*id);
  } else {
    return fail(ErrorKind::kInvalidArgument, "'{}' is neither trunk nor a number from 1 to {}",
                value, vswitch::kMaxVlan);
  }
  nic.vlan = vlan;
  return {};
}

}  // namespace

Result<unsigned> parse_nic(std::string_view text) {
  if (text.starts_with("nic")) {
    const auto index = parse_number(text.substr(3));
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
  if (field == "switch") return set_switch(nic, value);
  if (field == "mac") return set_mac(nic, value);
  if (field == "vlan") return set_vlan(nic, value);
  return fail(ErrorKind::kInvalidArgument,
              "is not a field of a NIC; known are nic, kind, switch, mac and vlan");
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
  std::string_view rest = equals == text.npos ? "" : text.substr(equals + 1);
  VIRIDIAN_TRY(set("kind", rest.substr(0, rest.find(','))));
  while (rest.find(',') != rest.npos) {
    rest.remove_prefix(rest.find(',') + 1);
    const std::string_view option = rest.substr(0, rest.find(','));
    const size_t at = option.find('=');
    VIRIDIAN_TRY(set(option.substr(0, at), at == option.npos ? "" : option.substr(at + 1)));
  }
  return nic;
}

Result<void> validate_nics(std::span<const NetConfig> nics) {
  for (size_t i = 0; i < nics.size(); ++i) {
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
