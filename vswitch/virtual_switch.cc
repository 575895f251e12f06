#include "vswitch/virtual_switch.h"

#include <algorithm>
#include <chrono>
#include <numeric>
#include <utility>

#include "vswitch/offload.h"

namespace viridian::vswitch {
namespace {

uint64_t steady_now_ns() noexcept {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(now).count());
}

bool has_secondary(const VlanSettings& vlan) {
  return vlan.mode == VlanMode::kIsolated || vlan.mode == VlanMode::kCommunity;
}

}  // namespace

VirtualSwitch::VirtualSwitch(const SwitchSettings& settings, rte_mempool* pool)
    : settings_(settings), pool_(pool), macs_(settings.mac_capacity, settings.mac_age_s) {
  ports_.reserve(kMaxPorts);
  mirrors_.reserve(kMaxPorts);
  recompute();
}

VirtualSwitch::~VirtualSwitch() = default;

const PortState* VirtualSwitch::port(PortId id) const noexcept {
  return id < kMaxPorts ? slots_[id].get() : nullptr;
}

const PortCounters* VirtualSwitch::counters(PortId id) const noexcept {
  const PortState* state = port(id);
  return state == nullptr ? nullptr : &state->counters;
}

bool VirtualSwitch::has_place(PortRole role) const noexcept {
  switch (role) {
    case PortRole::kGuest:
      return true;
    case PortRole::kHost:
      return settings_.kind != SwitchKind::kPrivate;
    case PortRole::kUplink:
      return settings_.kind == SwitchKind::kExternal;
  }
  return false;
}

// What one port's settings must not be because of another's.
Result<void> VirtualSwitch::check_together(const PortSettings& settings, PortId except) const {
  for (const PortState* other : ports_) {
    if (other->id == except) continue;
    const PortSettings& theirs = other->settings;
    if (theirs.name == settings.name) {
      return fail(ErrorKind::kInvalidArgument, "port {}: switch {} has a port of this name",
                  settings.name, settings_.name);
    }
    if (theirs.role == PortRole::kUplink && settings.role == PortRole::kUplink) {
      return fail(ErrorKind::kInvalidArgument, "port {}: switch {} has an uplink, port {}",
                  settings.name, settings_.name, theirs.name);
    }
    const VlanSettings& a = settings.vlan;
    const VlanSettings& b = theirs.vlan;
    if (has_secondary(a) && has_secondary(b) && a.secondary == b.secondary &&
        (a.vlan != b.vlan || a.mode != b.mode)) {
      return fail(ErrorKind::kInvalidArgument,
                  "port {}: secondary {} is used otherwise by port {}; a secondary VLAN has one "
                  "primary and is either isolated or a community",
                  settings.name, a.secondary, theirs.name);
    }
  }
  return {};
}

Result<PortId> VirtualSwitch::add_port(SwitchPort& port, const PortSettings& settings) {
  VIRIDIAN_TRY(check(settings));
  VIRIDIAN_TRY(check_together(settings, kNoPort));
  const auto free = std::find(slots_.begin(), slots_.end(), nullptr);
  if (free == slots_.end()) {
    return fail(ErrorKind::kInvalidArgument, "port {}: switch {} has {} ports already",
                settings.name, settings_.name, kMaxPorts);
  }
  const auto id = static_cast<PortId>(free - slots_.begin());
  *free = std::make_unique<PortState>(id, port);
  // By number, so that nothing depends on the order in which they came.
  const auto by_id = [](const PortState* a, const PortState* b) { return a->id < b->id; };
  ports_.insert(std::lower_bound(ports_.begin(), ports_.end(), free->get(), by_id), free->get());
  apply(**free, settings);
  if (armed_) disarm_all();  // it has not been armed
  return id;
}

Result<void> VirtualSwitch::change_port(PortId id, const PortSettings& settings) {
  if (port(id) == nullptr) return fail(ErrorKind::kNotFound, "there is no port {}", id);
  VIRIDIAN_TRY(check(settings));
  VIRIDIAN_TRY(check_together(settings, id));
  apply(*slots_[id], settings);
  return {};
}

void VirtualSwitch::remove_port(PortId id) noexcept {
  if (port(id) == nullptr) return;
  if (armed_) slots_[id]->port->disarm();
  macs_.flush_port(id);
  std::erase(ports_, slots_[id].get());
  slots_[id].reset();
  recompute();
}

void VirtualSwitch::set_kind(SwitchKind kind) noexcept {
  settings_.kind = kind;
  recompute();
}

void VirtualSwitch::apply(PortState& state, const PortSettings& settings) {
  macs_.flush_port(state.id);
  macs_.set_port_limit(state.id, settings.mac_limit);
  state.settings = settings;
  state.vlan = compile(settings.vlan);
  state.ingress_vlan = state.vlan.ingress;
  state.mac_bits = settings.mac.bits();
  state.acl_in = Acl(settings.acl, AclDirection::kIn);
  state.acl_out = Acl(settings.acl, AclDirection::kOut);
  state.bucket.set_rate(settings.max_bits_per_second);
  state.credit_bytes = 0;
  state.mirrored = settings.mirror == MirrorMode::kSource;
  if (settings.mirror == MirrorMode::kDestination) state.vlan.tags_out = true;
  set_capabilities(state, state.port->features());
  recompute();
  place_static(state);
}

void VirtualSwitch::set_capabilities(PortState& state, const PortFeatures& features) noexcept {
  state.features = features;
  state.max_frame_bytes =
      std::min<uint32_t>(features.mtu + uint32_t{kEthernetHeaderBytes}, kMaxFrameBytes);
  state.missing_offloads = 0;
  if (!features.checksum) state.missing_offloads |= kFrameOffloads;
  if (!features.segmentation) state.missing_offloads |= kFrameSegment;
}

// What one port's settings say to the data path, in masks.
void VirtualSwitch::set_features(PortState& state) const noexcept {
  const PortSettings& settings = state.settings;
  const auto bit_if = [](bool wanted, uint32_t bit) { return wanted ? bit : 0U; };
  state.ingress = bit_if(!state.live, kInDown) | bit_if(settings.mac_guard, kInMacGuard) |
                  bit_if(settings.dhcp_guard, kInDhcpGuard) |
                  bit_if(settings.router_guard, kInRouterGuard) |
                  bit_if(!state.acl_in.empty(), kInAcl);
  state.egress = bit_if(!state.acl_out.empty(), kOutAcl) | bit_if(state.mirrored, kOutMirrored);
  state.turn = bit_if(state.bucket.limited(), kLimited) | bit_if(most_weight_ > 0, kWeighted);
}

// Everything that follows from all settings together.
void VirtualSwitch::recompute() noexcept {
  auto groups = group_of_;
  std::iota(groups.begin(), groups.end(), uint16_t{0});
  most_weight_ = 0;
  mirrors_.clear();
  for (PortState* state : ports_) {
    const VlanSettings& vlan = state->settings.vlan;
    if (has_secondary(vlan)) groups[vlan.secondary] = vlan.vlan;
    most_weight_ = std::max(most_weight_, state->settings.weight);
  }
  if (groups != group_of_) macs_.flush_learned();
  group_of_ = groups;

  for (PortState* state : ports_) {
    const bool was_live = std::exchange(state->live, has_place(state->settings.role));
    state->ingress_group = group_of_[state->ingress_vlan];
    set_features(*state);
    if (state->live && state->settings.mirror == MirrorMode::kDestination)
      mirrors_.push_back(state);
    if (was_live && !state->live) macs_.flush_port(state->id);
    if (!was_live && state->live) place_static(*state);
  }
}

void VirtualSwitch::place_static(const PortState& state) noexcept {
  if (!state.live) return;
  if (state.mac_bits != 0) macs_.set_fixed(mac_key(state.mac_bits, state.ingress_group), state.id);
  for (const StaticMac& one : state.static_macs)
    macs_.set_fixed(mac_key(one.mac.bits(), group_of_[one.vlan]), state.id);
}

Result<void> VirtualSwitch::add_static_mac(PortId id, const MacAddress& mac, uint16_t vlan) {
  if (port(id) == nullptr) return fail(ErrorKind::kNotFound, "there is no port {}", id);
  if (mac.is_multicast() || mac.is_zero()) {
    return fail(ErrorKind::kInvalidArgument, "{} is not the address of one station",
                mac.to_string());
  }
  if (vlan > kMaxVlan)
    return fail(ErrorKind::kInvalidArgument, "vlan is {}; it must be 0 to {}", vlan, kMaxVlan);
  PortState& state = *slots_[id];
  if (state.live && !macs_.set_fixed(mac_key(mac.bits(), group_of_[vlan]), id)) {
    return fail(ErrorKind::kInvalidArgument, "switch {} has no room for {}", settings_.name,
                mac.to_string());
  }
  state.static_macs.push_back({mac, vlan});
  return {};
}

bool VirtualSwitch::arm_all() noexcept {
  armed_ = true;
  for (PortState* state : ports_) {
    if (state->port->arm()) continue;
    disarm_all();
    return false;
  }
  return true;
}

void VirtualSwitch::disarm_all() noexcept {
  armed_ = false;
  for (PortState* state : ports_)
    state->port->disarm();
}

bool VirtualSwitch::poll() noexcept {
  const uint64_t now_ns = steady_now_ns();
  if (armed_) disarm_all();
  if (turn(now_ns)) {
    last_work_ns_ = now_ns;
    return true;
  }
  if (throttled_ || now_ns - last_work_ns_ < kIdleSpinNs) return true;
  return !arm_all();
}

}  // namespace viridian::vswitch
