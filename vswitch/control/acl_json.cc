#include "vswitch/control/acl_json.h"

#include <arpa/inet.h>

#include <charconv>

namespace viridian::vswitch {
namespace {

constexpr std::pair<std::string_view, AclDirection> kDirections[] = {{"in", AclDirection::kIn},
                                                                     {"out", AclDirection::kOut}};
constexpr std::pair<std::string_view, AclAction> kActions[] = {{"allow", AclAction::kAllow},
                                                               {"deny", AclAction::kDeny}};
constexpr std::pair<std::string_view, IpFamily> kFamilies[] = {
    {"any", IpFamily::kAny}, {"ipv4", IpFamily::kIpv4}, {"ipv6", IpFamily::kIpv6}};
constexpr std::pair<std::string_view, uint8_t> kProtocols[] = {
    {"icmp", 1}, {"tcp", 6}, {"udp", 17}, {"icmpv6", 58}, {"sctp", 132}};

std::optional<uint16_t> parse_number(std::string_view text, uint16_t most) {
  unsigned value = 0;
  const char* last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, value);
  if (text.empty() || error != std::errc() || end != last || value > most) return std::nullopt;
  return static_cast<uint16_t>(value);
}

struct FamilyPrefix {
  IpFamily family;
  IpPrefix prefix;
};

// "10.0.0.0/8", "fe80::/10"; without a length it is one address.
std::optional<FamilyPrefix> parse_prefix(const std::string& text) {
  const size_t slash = text.find('/');
  const std::string address = text.substr(0, slash);
  FamilyPrefix result = {};
  uint16_t most = 32;
  if (::inet_pton(AF_INET, address.c_str(), result.prefix.address.data()) == 1) {
    result.family = IpFamily::kIpv4;
  } else if (::inet_pton(AF_INET6, address.c_str(), result.prefix.address.data()) == 1) {
    result.family = IpFamily::kIpv6;
    most = 128;
  } else {
    return std::nullopt;
  }
  const auto length =
      slash == text.npos ? most : parse_number(std::string_view(text).substr(slash + 1), most);
  if (!length) return std::nullopt;
  result.prefix.length = static_cast<uint8_t>(*length);
  return result;
}

std::string to_text(const IpPrefix& prefix, IpFamily family) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  ::inet_ntop(family == IpFamily::kIpv4 ? AF_INET : AF_INET6, prefix.address.data(), text.data(),
              text.size());
  return fmt::format("{}/{}", text.data(), prefix.length);
}

void read_prefix(Fields& fields, const char* name, AclRule& rule, IpPrefix& prefix) {
  std::string text;
  fields.text(name, text);
  if (text.empty()) return;
  const auto parsed = parse_prefix(text);
  if (!parsed) return fields.fail_at(name, "\"" + text + "\" is not a prefix such as 10.0.0.0/8");
  if (rule.family != IpFamily::kAny && rule.family != parsed->family)
    return fields.fail_at(name, "\"" + text + "\" is of the other IP family than the rule");
  rule.family = parsed->family;
  prefix = parsed->prefix;
}

void read_ports(Fields& fields, const char* name, PortRange& ports) {
  std::string text;
  fields.text(name, text);
  if (text.empty()) return;
  const auto parsed = parse_range(text);
  if (!parsed) return fields.fail_at(name, "\"" + text + "\" is not a range such as 80-90");
  ports = *parsed;
}

std::string to_text(const PortRange& ports) {
  if (ports.first == ports.last) return std::to_string(ports.first);
  return fmt::format("{}-{}", ports.first, ports.last);
}

bool is_all(const PortRange& ports) { return ports.first == 0 && ports.last == 0xFFFF; }

}  // namespace

std::optional<PortRange> parse_range(std::string_view text, uint16_t most) {
  const size_t dash = text.find('-');
  const auto first = parse_number(text.substr(0, dash), most);
  const auto last = dash == text.npos ? first : parse_number(text.substr(dash + 1), most);
  if (!first || !last || *first > *last) return std::nullopt;
  return PortRange{*first, *last};
}

std::optional<VlanSet> parse_vlans(std::string_view text) {
  VlanSet vlans;
  while (!text.empty()) {
    const size_t comma = text.find(',');
    const auto range = parse_range(text.substr(0, comma), kVlanCount - 1);
    if (!range) return std::nullopt;
    for (size_t id = range->first; id <= range->last; ++id)
      vlans.set(id);
    if (comma == text.npos) return vlans;
    text.remove_prefix(comma + 1);
    if (text.empty()) return std::nullopt;
  }
  return vlans;
}

std::string to_text(const VlanSet& vlans) {
  std::string text;
  for (size_t id = 0; id < vlans.size(); ++id) {
    if (!vlans[id]) continue;
    const size_t first = id;
    while (id + 1 < vlans.size() && vlans[id + 1])
      ++id;
    if (!text.empty()) text += ',';
    text += first == id ? std::to_string(id) : fmt::format("{}-{}", first, id);
  }
  return text;
}

AclRule parse_rule(const Json& value, const std::string& path, std::string& error) {
  AclRule rule;
  Fields fields(value, path, error);
  fields.choice<AclDirection>("direction", rule.direction, kDirections);
  fields.choice<AclAction>("action", rule.action, kActions);
  fields.number("weight", rule.weight);
  fields.choice<IpFamily>("family", rule.family, kFamilies);
  read_prefix(fields, "source", rule, rule.source);
  read_prefix(fields, "destination", rule, rule.destination);
  const Json* protocol = fields.any("protocol");
  if (protocol != nullptr) {
    rule.any_protocol = false;
    if (protocol->is_string()) {
      fields.choice<uint8_t>("protocol", rule.protocol, kProtocols);
    } else {
      fields.number("protocol", rule.protocol);
    }
  }
  read_ports(fields, "source_ports", rule.source_ports);
  read_ports(fields, "destination_ports", rule.destination_ports);
  fields.finish();
  if (error.empty()) {
    if (const auto checked = check(rule); !checked) error = path + ": " + checked.error().message;
  }
  return rule;
}

Json to_json(const AclRule& rule) {
  Json json = {{"direction", name_of<AclDirection>(kDirections, rule.direction)},
               {"action", name_of<AclAction>(kActions, rule.action)}};
  if (rule.weight != 0) json["weight"] = rule.weight;
  if (rule.family != IpFamily::kAny) json["family"] = name_of<IpFamily>(kFamilies, rule.family);
  if (rule.source.length != 0) json["source"] = to_text(rule.source, rule.family);
  if (rule.destination.length != 0) json["destination"] = to_text(rule.destination, rule.family);
  if (!rule.any_protocol) {
    const std::string_view name = name_of<uint8_t>(kProtocols, rule.protocol);
    json["protocol"] = name.empty() ? Json(rule.protocol) : Json(name);
  }
  if (!is_all(rule.source_ports)) json["source_ports"] = to_text(rule.source_ports);
  if (!is_all(rule.destination_ports)) json["destination_ports"] = to_text(rule.destination_ports);
  return json;
}

}  // namespace viridian::vswitch
