#include "vswitch/acl.h"

#include <nmmintrin.h>

#include <algorithm>
#include <bit>
#include <cstring>

namespace viridian::vswitch {
namespace {

constexpr size_t kRememberedFlows = 4096;
constexpr uint8_t kTcp = 6;
constexpr uint8_t kUdp = 17;
constexpr uint8_t kSctp = 132;

bool is_all(const PortRange& ports) { return ports.first == 0 && ports.last == 0xFFFF; }

std::array<uint64_t, 2> words_of(const std::array<uint8_t, 16>& bytes) noexcept {
  return std::bit_cast<std::array<uint64_t, 2>>(bytes);
}

// The address and the mask of a prefix.
std::array<std::array<uint64_t, 2>, 2> compile_prefix(const IpPrefix& prefix) {
  std::array<uint8_t, 16> mask{};
  std::array<uint8_t, 16> value{};
  for (size_t bit = 0; bit < prefix.length; ++bit)
    mask[bit / 8] = static_cast<uint8_t>(mask[bit / 8] | 0x80U >> bit % 8);
  for (size_t i = 0; i < mask.size(); ++i)
    value[i] = prefix.address[i] & mask[i];
  return {words_of(value), words_of(mask)};
}

size_t place_of(const Packet& packet) noexcept {
  const auto words = std::bit_cast<std::array<uint64_t, 5>>(packet);
  uint64_t hash = 0;
  for (const uint64_t word : words)
    hash = _mm_crc32_u64(hash, word);
  return hash % kRememberedFlows;
}

}  // namespace

Result<void> check(const AclRule& rule) {
  const unsigned most = rule.family == IpFamily::kIpv4   ? 32
                        : rule.family == IpFamily::kIpv6 ? 128
                                                         : 0;
  for (const auto& [name, prefix] :
       {std::pair{"source", rule.source}, std::pair{"destination", rule.destination}}) {
    if (prefix.length > most) {
      return fail(ErrorKind::kInvalidArgument, "acl: {} has a prefix of {} bits, more than {}",
                  name, prefix.length, most);
    }
  }
  const bool has_ports = !rule.any_protocol &&
                         (rule.protocol == kTcp || rule.protocol == kUdp || rule.protocol == kSctp);
  for (const auto& [name, ports] : {std::pair{"source_ports", rule.source_ports},
                                    std::pair{"destination_ports", rule.destination_ports}}) {
    if (ports.first > ports.last) {
      return fail(ErrorKind::kInvalidArgument, "acl: {} runs from {} to {}", name, ports.first,
                  ports.last);
    }
    if (!is_all(ports) && !has_ports) {
      return fail(ErrorKind::kInvalidArgument,
                  "acl: {} needs a protocol with ports: 6 (TCP), 17 (UDP) or 132 (SCTP)", name);
    }
  }
  return {};
}

Acl::Acl(const std::vector<AclRule>& rules, AclDirection direction) {
  std::vector<AclRule> ordered;
  std::copy_if(rules.begin(), rules.end(), std::back_inserter(ordered),
               [&](const AclRule& rule) { return rule.direction == direction; });
  std::stable_sort(ordered.begin(), ordered.end(),
                   [](const AclRule& a, const AclRule& b) { return a.weight > b.weight; });
  for (const AclRule& rule : ordered) {
    const auto source = compile_prefix(rule.source);
    const auto destination = compile_prefix(rule.destination);
    Rule made;
    made.value = {source[0][0], source[0][1], destination[0][0], destination[0][1]};
    made.mask = {source[1][0], source[1][1], destination[1][0], destination[1][1]};
    made.source_ports = rule.source_ports;
    made.destination_ports = rule.destination_ports;
    made.action = rule.action;
    made.family = rule.family == IpFamily::kIpv4 ? 4 : rule.family == IpFamily::kIpv6 ? 6 : 0;
    made.any_protocol = rule.any_protocol;
    made.protocol = rule.protocol;
    made.needs_ports = !is_all(rule.source_ports) || !is_all(rule.destination_ports);
    rules_.push_back(made);
  }
  if (!rules_.empty()) flows_.resize(kRememberedFlows);
}

bool Acl::matches(const Rule& rule, const Packet& packet, const Words& addresses) noexcept {
  if (!rule.any_protocol && rule.protocol != packet.protocol) return false;
  if (rule.family != 0 && rule.family != packet.family) return false;
  uint64_t differs = 0;
  for (size_t i = 0; i < addresses.size(); ++i)
    differs |= (addresses[i] & rule.mask[i]) ^ rule.value[i];
  if (differs != 0) return false;
  if (!rule.needs_ports) return true;
  return packet.has_ports() && packet.source_port >= rule.source_ports.first &&
         packet.source_port <= rule.source_ports.last &&
         packet.destination_port >= rule.destination_ports.first &&
         packet.destination_port <= rule.destination_ports.last;
}

AclAction Acl::judge_anew(const Packet& packet) const noexcept {
  if (rules_.empty()) return AclAction::kAllow;
  if (packet.unclear()) return AclAction::kDeny;
  if (packet.family == 0) return AclAction::kAllow;
  const auto source = words_of(packet.source);
  const auto destination = words_of(packet.destination);
  const Words addresses = {source[0], source[1], destination[0], destination[1]};
  for (const Rule& rule : rules_) {
    if (matches(rule, packet, addresses)) return rule.action;
  }
  return AclAction::kAllow;
}

AclAction Acl::judge(const Packet& packet) noexcept {
  if (rules_.empty() || packet.unclear() || packet.family == 0) return judge_anew(packet);
  // Two places for each flow, side by side.
  const size_t place = place_of(packet);
  for (const size_t at : {place, place ^ 1}) {
    const Remembered& flow = flows_[at];
    if (flow.used && flow.packet == packet) return flow.action;
  }
  Remembered& flow = flows_[flows_[place].used && !flows_[place ^ 1].used ? place ^ 1 : place];
  flow = {.packet = packet, .action = judge_anew(packet), .used = true};
  return flow.action;
}

}  // namespace viridian::vswitch
