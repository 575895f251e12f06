#include "vswitch/virtual_switch.h"

#include <algorithm>
#include <chrono>
#include <numeric>

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

VirtualSwitch::VirtualSwitch(const SwitchSettings& settings)
    : settings_(settings), macs_(settings.mac_capacity, settings.mac_age_s) {
  ports_.reserve(kMaxPorts);
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
  ports_.push_back(free->get());
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
  state.features = state.port->features();
  state.max_frame_bytes =
      std::min<uint32_t>(state.features.mtu + kEthernetHeaderBytes, kMaxFrameBytes);
  recompute();
  if (!settings.mac.is_zero())
    macs_.set_fixed(mac_key(settings.mac.bits(), state.ingress_group), state.id);
}

// Everything that follows from all settings together.
void VirtualSwitch::recompute() noexcept {
  auto groups = group_of_;
  std::iota(groups.begin(), groups.end(), uint16_t{0});
  for (const PortState* state : ports_) {
    if (has_secondary(state->settings.vlan))
      groups[state->settings.vlan.secondary] = state->settings.vlan.vlan;
  }
  if (groups != group_of_) macs_.flush_learned();
  group_of_ = groups;

  for (PortState* state : ports_) {
    const bool live = has_place(state->settings.role);
    if (!live && state->live) macs_.flush_port(state->id);
    state->live = live;
    state->ingress_group = group_of_[state->ingress_vlan];
    state->ingress = live ? 0U : uint32_t{kInDown};
    state->egress = live ? 0U : uint32_t{kOutDown};
  }
}

Result<void> VirtualSwitch::add_static_mac(PortId id, const MacAddress& mac, uint16_t vlan) {
  if (port(id) == nullptr) return fail(ErrorKind::kNotFound, "there is no port {}", id);
  if (mac.is_multicast() || mac.is_zero()) {
    return fail(ErrorKind::kInvalidArgument, "{} is not the address of one station",
                mac.to_string());
  }
  if (vlan > kMaxVlan)
    return fail(ErrorKind::kInvalidArgument, "vlan is {}; it must be 0 to {}", vlan, kMaxVlan);
  if (!macs_.set_fixed(mac_key(mac.bits(), group_of_[vlan]), id)) {
    return fail(ErrorKind::kInvalidArgument, "switch {} has no room for {}", settings_.name,
                mac.to_string());
  }
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
  if (now_ns - last_work_ns_ < kIdleSpinNs) return true;
  return !arm_all();
}

}  // namespace viridian::vswitch
