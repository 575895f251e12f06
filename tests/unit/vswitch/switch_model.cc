#include "tests/unit/vswitch/switch_model.h"

#include <algorithm>

namespace viridian::vswitch {

void SwitchModel::set_time(uint32_t now_s) {
  now_s_ = now_s;
  std::erase_if(macs_, [&](const auto& one) {
    return !one.second.fixed && now_s_ - one.second.seen_s > age_s_;
  });
}

bool SwitchModel::live(PortId id) const {
  switch (ports_.at(id).role) {
    case PortRole::kHost:
      return kind_ != SwitchKind::kPrivate;
    case PortRole::kUplink:
      return kind_ == SwitchKind::kExternal;
    default:
      return true;
  }
}

std::map<uint16_t, uint16_t> SwitchModel::domains() const {
  std::map<uint16_t, uint16_t> result;
  for (const auto& [id, port] : ports_) {
    if (port.vlan.mode == VlanMode::kIsolated || port.vlan.mode == VlanMode::kCommunity)
      result[port.vlan.secondary] = port.vlan.vlan;
  }
  return result;
}

uint16_t SwitchModel::domain(uint16_t vlan) const {
  const auto all = domains();
  const auto found = all.find(vlan);
  return found == all.end() ? vlan : found->second;
}

uint16_t SwitchModel::own_vlan(const VlanSettings& vlan) {
  const bool secondary = vlan.mode == VlanMode::kIsolated || vlan.mode == VlanMode::kCommunity;
  return secondary ? vlan.secondary : vlan.vlan;
}

// Whether a port of these settings gets frames of the VLAN.
bool SwitchModel::sees(const VlanSettings& vlan, uint16_t id) {
  switch (vlan.mode) {
    case VlanMode::kUntagged:
      return id == 0;
    case VlanMode::kAccess:
    case VlanMode::kIsolated:
      return id == vlan.vlan;
    case VlanMode::kCommunity:
      return id == vlan.vlan || id == vlan.secondary;
    case VlanMode::kTrunk:
    case VlanMode::kPromiscuous:
      return id == vlan.vlan || vlan.allowed.test(id);
  }
  return false;
}

void SwitchModel::forget(PortId id) {
  std::erase_if(macs_, [&](const auto& one) { return one.second.port == id; });
}

void SwitchModel::place_own(PortId id) {
  const PortSettings& port = ports_.at(id);
  if (port.mac.is_zero() || !live(id)) return;
  const Key key{domain(own_vlan(port.vlan)), port.mac};
  macs_.erase(key);
  if (macs_.size() < capacity_) macs_[key] = {id, true, 0, 0, 0};
}

void SwitchModel::set_kind(SwitchKind kind) {
  std::set<PortId> were_live;
  for (const auto& [id, port] : ports_) {
    if (live(id)) were_live.insert(id);
  }
  kind_ = kind;
  for (const auto& [id, port] : ports_) {
    if (were_live.contains(id) && !live(id)) forget(id);
    if (!were_live.contains(id) && live(id)) place_own(id);
  }
}

void SwitchModel::add(PortId id, const PortSettings& settings) { change(id, settings); }

void SwitchModel::change(PortId id, const PortSettings& settings) {
  const auto before = domains();
  forget(id);
  ports_[id] = settings;
  if (domains() != before) std::erase_if(macs_, [](const auto& one) { return !one.second.fixed; });
  place_own(id);
}

void SwitchModel::remove(PortId id) {
  const auto before = domains();
  forget(id);
  ports_.erase(id);
  if (domains() != before) std::erase_if(macs_, [](const auto& one) { return !one.second.fixed; });
}

uint32_t SwitchModel::learned_at(PortId id) const {
  return static_cast<uint32_t>(std::count_if(macs_.begin(), macs_.end(), [&](const auto& one) {
    return one.second.port == id && !one.second.fixed;
  }));
}

void SwitchModel::learn(const Key& key, PortId from) {
  const bool full = learned_at(from) >= ports_.at(from).mac_limit;
  const auto found = macs_.find(key);
  if (found == macs_.end()) {
    if (!full && macs_.size() < capacity_) macs_[key] = {from, false, now_s_, 0, now_s_};
    return;
  }
  Entry& entry = found->second;
  if (entry.port == from && !entry.fixed) entry.seen_s = now_s_;
  if (entry.fixed || entry.port == from) return;
  entry.moves -= std::min(entry.moves, now_s_ - entry.moves_s);
  entry.moves_s = now_s_;
  if (entry.moves >= kMaxMoves || full) return;
  entry = {from, false, now_s_, entry.moves + 1, now_s_};
}

ModelDelivery SwitchModel::delivery(PortId id, uint16_t vlan, uint16_t priority) const {
  const PortSettings& port = ports_.at(id);
  const bool tags = port.vlan.mode == VlanMode::kTrunk || port.mirror == MirrorMode::kDestination;
  if (!tags || vlan == port.vlan.vlan) return {id, std::nullopt};
  return {id, static_cast<uint16_t>(priority | vlan)};
}

std::set<ModelDelivery> SwitchModel::send(PortId from, const ModelFrame& frame) {
  const PortSettings& in = ports_.at(from);
  const auto tag_vlan = static_cast<uint16_t>(frame.tag.value_or(0) & 0xFFF);
  const auto priority = static_cast<uint16_t>(frame.tag.value_or(0) & 0xF000);
  if (!live(from) || frame.source.is_multicast() || frame.source.is_zero()) return {};
  if (tag_vlan != 0 && (in.vlan.mode != VlanMode::kTrunk || !sees(in.vlan, tag_vlan))) return {};
  if (in.mac_guard && frame.source != in.mac) return {};
  if (in.dhcp_guard && frame.content == Content::kDhcpOffer) return {};
  if (in.router_guard && frame.content == Content::kRouterAdvertisement) return {};
  const auto denies = [&](const PortSettings& port, AclDirection direction) {
    return frame.content == Content::kUdpToPort7 && !port.acl.empty() &&
           port.acl[0].direction == direction;
  };
  if (denies(in, AclDirection::kIn)) return {};

  const uint16_t vlan = tag_vlan != 0 ? tag_vlan : own_vlan(in.vlan);
  learn({domain(vlan), frame.source}, from);
  if (frame.destination == frame.source) return {};
  std::vector<PortId> wanted;
  const auto known = macs_.find({domain(vlan), frame.destination});
  if (!frame.destination.is_multicast() && known != macs_.end()) {
    if (known->second.port == from) return {};
    if (!sees(ports_.at(known->second.port).vlan, vlan)) return {};
    wanted.push_back(known->second.port);
  } else {
    for (const auto& [id, port] : ports_) {
      if (id != from && live(id) && sees(port.vlan, vlan)) wanted.push_back(id);
    }
  }
  std::set<ModelDelivery> result;
  bool mirrored = in.mirror == MirrorMode::kSource;
  for (const PortId id : wanted) {
    if (denies(ports_.at(id), AclDirection::kOut)) continue;
    result.insert(delivery(id, vlan, priority));
    mirrored |= ports_.at(id).mirror == MirrorMode::kSource;
  }
  for (const auto& [id, port] : ports_) {
    if (mirrored && id != from && live(id) && port.mirror == MirrorMode::kDestination)
      result.insert(delivery(id, vlan, priority));
  }
  return result;
}

}  // namespace viridian::vswitch
