// As the data path does it, for one frame and without moving it: VirtualSwitch::explain().

#include "vswitch/explanation.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>

#include "vswitch/virtual_switch.h"
#include "vswitch/vlan_tag.h"

namespace viridian::vswitch {
namespace {

uint64_t address_at(std::span<const uint8_t> frame, size_t at) noexcept {
  uint64_t bits = 0;
  std::memcpy(&bits, frame.data() + at, 6);
  return bits;
}

constexpr uint64_t kReservedMask = ~(0x0FULL << 40);
constexpr uint64_t kReserved = 0x0000'00C2'8001;

}  // namespace

std::string Explanation::text() const {
  const auto line = [](DropReason why) {
    return fmt::format("dropped: {} ({})", name_of(why), meaning_of(why));
  };
  if (reason != DropReason::kNone) return line(reason);
  std::string result = fmt::format("{} in VLAN {}:", flooded ? "flooded" : "forwarded", vlan);
  for (const Receiver& receiver : receivers) {
    result += fmt::format(" port {}", receiver.port);
    if (receiver.reason != DropReason::kNone) result += fmt::format(" {}", line(receiver.reason));
  }
  for (const PortId mirror : mirrors)
    result += fmt::format(" mirror port {}", mirror);
  return result;
}

Explanation VirtualSwitch::explain(PortId from, std::span<const uint8_t> frame,
                                   std::optional<uint16_t> tag) {
  Explanation result;
  const auto ended = [&](DropReason why) {
    result.reason = why;
    return result;
  };
  if (port(from) == nullptr) return ended(DropReason::kPortDown);
  PortState& in = *slots_[from];
  if (frame.size() < kEthernetHeaderBytes) return ended(DropReason::kRunt);
  std::vector<uint8_t> bytes(frame.begin(), frame.end());
  if ((in.ingress & kInDown) == 0 && !tag && bytes[12] == 0x81 && bytes[13] == 0) {
    if (bytes.size() < kEthernetHeaderBytes + sizeof(VlanTag)) return ended(DropReason::kRunt);
    tag = static_cast<uint16_t>(bytes[14] << 8 | bytes[15]);
    bytes.erase(bytes.begin() + 12, bytes.begin() + 16);
  }
  const auto tag_vlan = static_cast<uint16_t>(tag.value_or(0) & kTagVlanMask);
  const auto size = static_cast<uint32_t>(bytes.size());
  const View view = {.headers = bytes,
                     .frame_bytes = size,
                     .packet_bytes = size - kEthernetHeaderBytes,
                     .source = address_at(bytes, 6),
                     .tag_vlan = tag_vlan};
  const uint64_t last_refused = in.last_refused_mac;
  const DropReason refused = judge_ingress(in, view);
  in.last_refused_mac = last_refused;
  if (refused != DropReason::kNone) return ended(refused);

  const uint64_t destination = address_at(bytes, 0);
  const bool to_many = (destination & 1) != 0;
  if (to_many && (destination & kReservedMask) == kReserved)
    return ended(DropReason::kReservedAddress);
  result.vlan = tag_vlan != 0 ? tag_vlan : in.ingress_vlan;
  const uint64_t key = mac_key(destination, group_of_[result.vlan]);
  const PortId known = to_many ? kNoPort : macs_.find(key, now_s_);
  result.flooded = known == kNoPort;
  if (known == from || destination == view.source) return ended(DropReason::kSamePort);
  if (result.flooded && !storm_allows(in, destination, false))
    return ended(DropReason::kStormLimit);
  if (!result.flooded && !slots_[known]->is_in(result.vlan)) return ended(DropReason::kVlanOut);

  bool mirrored = in.mirrored;
  for (PortState* out : ports_) {
    const bool wanted =
        result.flooded ? out != &in && out->live && out->is_in(result.vlan) : out->id == known;
    if (!wanted) continue;
    result.receivers.push_back({out->id, judge_egress(*out, view)});
    if (result.receivers.back().reason == DropReason::kNone)
      mirrored |= (out->egress & kOutMirrored) != 0;
  }
  for (const PortState* mirror : mirrors_) {
    const bool has_it = std::count(result.receivers.begin(), result.receivers.end(),
                                   Explanation::Receiver{mirror->id, DropReason::kNone}) != 0;
    if (mirrored && mirror != &in && !has_it && view.packet_bytes <= mirror->features.mtu)
      result.mirrors.push_back(mirror->id);
  }
  if (result.receivers.empty() && result.mirrors.empty()) return ended(DropReason::kNoReceiver);
  return result;
}

}  // namespace viridian::vswitch
