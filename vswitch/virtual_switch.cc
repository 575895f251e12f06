#include "vswitch/virtual_switch.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/steady_clock.h"
#include "vswitch/offload.h"

namespace viridian::vswitch {

VirtualSwitch::VirtualSwitch(const SwitchSettings& settings, rte_mempool* pool)
    : settings_(settings), pool_(pool), macs_(settings.mac_capacity, settings.mac_age_s) {
  ports_.reserve(kMaxPorts);
  own_ports_.reserve(kMaxPorts);
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

bool VirtualSwitch::has_place(const PortSettings& settings) const noexcept {
  if (!settings.link) return false;
  switch (settings.role) {
    case PortRole::kGuest:
      return true;
    case PortRole::kHost:
      return settings_.kind != SwitchKind::kPrivate;
    case PortRole::kUplink:
      return settings_.kind == SwitchKind::kExternal;
  }
  return false;
}

Result<void> VirtualSwitch::check_together(const PortSettings& settings) const {
  for (const PortState* other : ports_)
    VIRIDIAN_TRY(check_beside(settings, other->settings, settings_.name));
  return {};
}

Result<PortId> VirtualSwitch::add_port(SwitchPort& port, const PortSettings& settings) {
  const auto free = std::find(slots_.begin(), slots_.end(), nullptr);
  const auto id = static_cast<PortId>(free - slots_.begin());
  VIRIDIAN_TRY(place(id, port, settings, false));
  return id;
}

Result<void> VirtualSwitch::add_remote_port(PortId id, RemotePort& port,
                                            const PortSettings& settings) {
  return place(id, port, settings, true);
}

Result<void> VirtualSwitch::place(PortId id, SwitchPort& port, const PortSettings& settings,
                                  bool remote) {
  VIRIDIAN_TRY(check(settings));
  VIRIDIAN_TRY(check_together(settings));
  if (id >= kMaxPorts) {
    return fail(ErrorKind::kInvalidArgument, "port {}: switch {} has {} ports already",
                settings.name, settings_.name, kMaxPorts);
  }
  slots_[id] = std::make_unique<PortState>(id, port);
  PortState* const state = slots_[id].get();
  state->remote = remote;
  // By number, so that nothing depends on the order in which they came.
  const auto by_id = [](const PortState* a, const PortState* b) { return a->id < b->id; };
  for (auto* list : {&ports_, &own_ports_}) {
    if (list == &ports_ || !remote)
      list->insert(std::lower_bound(list->begin(), list->end(), state, by_id), state);
  }
  apply(*state, settings);
  if (seat_ != nullptr && !remote) tell_mtus();
  if (armed_) disarm_all();  // it has not been armed
  return {};
}

Result<void> VirtualSwitch::change_port(PortId id, const PortSettings& settings) {
  return change_ports({{{id, &settings}}});
}

Result<void> VirtualSwitch::change_ports(std::span<const PortChange> changes) {
  std::array<const PortSettings*, kMaxPorts> wanted{};
  for (const PortState* state : ports_)
    wanted[state->id] = &state->settings;
  for (const PortChange& change : changes) {
    if (port(change.id) == nullptr)
      return fail(ErrorKind::kNotFound, "there is no port {}", change.id);
    VIRIDIAN_TRY(check(*change.settings));
    wanted[change.id] = change.settings;
  }
  for (const PortChange& change : changes) {
    for (PortId id = 0; id < kMaxPorts; ++id) {
      if (wanted[id] == nullptr || id == change.id) continue;
      VIRIDIAN_TRY(check_beside(*change.settings, *wanted[id], settings_.name));
    }
  }
  for (const PortChange& change : changes)
    apply(*slots_[change.id], *change.settings);
  return {};
}

void VirtualSwitch::remove_port(PortId id) noexcept {
  if (port(id) == nullptr) return;
  if (armed_) slots_[id]->port->disarm();
  macs_.flush_port(id);
  std::erase(ports_, slots_[id].get());
  std::erase(own_ports_, slots_[id].get());
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
  state.port->set_link(settings.link);
  state.vlan = compile(settings.vlan);
  state.ingress_vlan = state.vlan.ingress;
  state.mac_bits = settings.mac.bits();
  state.acl_in = Acl(settings.acl, AclDirection::kIn);
  state.acl_out = Acl(settings.acl, AclDirection::kOut);
  state.verdicts_in.reset(settings.dhcp_guard || settings.router_guard || !state.acl_in.empty());
  state.verdicts_out.reset(!state.acl_out.empty());
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
  state.takes = features.takes_frames;
  state.max_frame_bytes =
      std::min<uint32_t>(features.mtu + uint32_t{kEthernetHeaderBytes}, kMaxFrameBytes);
  state.missing_offloads = 0;
  if (!features.checksum) state.missing_offloads |= kFrameOffloads;
  if (!features.udp_checksum) state.missing_offloads |= kFrameUdp & ~kFrameTcp;
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
  state.turn = bit_if(state.bucket.limited(), kLimited) | bit_if(most_weight_ > 0, kWeighted) |
               bit_if(settings.gro, kCoalesced);
}

// Everything that follows from all settings together.
void VirtualSwitch::recompute() noexcept {
  auto groups = group_of_;
  std::iota(groups.begin(), groups.end(), uint16_t{0});
  most_weight_ = 0;
  mirrors_.clear();
  for (PortState* state : ports_) {
    const VlanSettings& vlan = state->settings.vlan;
    if (vlan.has_secondary()) groups[vlan.secondary] = vlan.vlan;
    if (!state->remote) most_weight_ = std::max(most_weight_, state->settings.weight);
  }
  if (groups != group_of_) macs_.flush_learned();
  group_of_ = groups;

  for (PortState* state : ports_) {
    const bool was_live = std::exchange(state->live, has_place(state->settings));
    state->ingress_group = group_of_[state->ingress_vlan];
    set_features(*state);
    if (state->live && state->settings.mirror == MirrorMode::kDestination)
      mirrors_.push_back(state);
    state->captured = std::any_of(captures_.begin(), captures_.end(), [&](const Capture* one) {
      return one != nullptr && one->wants(state->id);
    });
    if (was_live && !state->live) macs_.flush_port(state->id);
    if (!was_live && state->live) place_static(*state);
  }
}

void VirtualSwitch::place_static(const PortState& state) noexcept {
  if (!state.live) return;
  if (state.mac_bits != 0) macs_.set_fixed(mac_key(state.mac_bits, state.ingress_group), state.id);
  for (const StaticMac& one : state.settings.static_macs)
    macs_.set_fixed(mac_key(one.mac.bits(), group_of_[one.vlan]), state.id);
}

Result<void> VirtualSwitch::add_capture(Capture& capture) {
  const auto free = std::find(captures_.begin(), captures_.end(), nullptr);
  if (free == captures_.end()) {
    return fail(ErrorKind::kInvalidArgument, "switch {} has {} captures already", settings_.name,
                kMaxCaptures);
  }
  *free = &capture;
  recompute();
  return {};
}

void VirtualSwitch::remove_capture(Capture& capture) noexcept {
  std::replace(captures_.begin(), captures_.end(), &capture, static_cast<Capture*>(nullptr));
  recompute();
}

bool VirtualSwitch::arm_all() noexcept {
  armed_ = true;
  const bool is_quiet = std::all_of(own_ports_.begin(), own_ports_.end(), [this](PortState* state) {
    return is_waiting(*state) || state->port->arm();
  });
  if (is_quiet && (seat_ == nullptr || arm_links())) return true;
  disarm_all();
  return false;
}

void VirtualSwitch::disarm_all() noexcept {
  armed_ = false;
  for (PortState* state : own_ports_)
    state->port->disarm();
  if (seat_ != nullptr) seat_->bell.disarm();
}

// A port that waits for its bandwidth is not asked, whatever it has: the timer wakes its worker.
bool VirtualSwitch::is_waiting(const PortState& state) const noexcept {
  return (state.turn & kLimited) != 0 && !state.bucket.ready(now_ns_);
}

bool VirtualSwitch::poll() noexcept {
  const uint64_t now_ns = steady_now_ns();
  if (armed_) disarm_all();
  if (turn(now_ns)) {
    last_work_ns_ = now_ns;
    return true;
  }
  if (throttled_ || now_ns - last_work_ns_ < kIdleSpinNs) return true;
  if (next_ready_ns_ != kNever) {
    if (timer_ == nullptr || next_ready_ns_ - now_ns < kIdleSpinNs) return true;
    timer_->set(std::chrono::nanoseconds(next_ready_ns_ - now_ns));
  }
  return !arm_all();
}

}  // namespace viridian::vswitch
