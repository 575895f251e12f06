#include "vmm-minimal/network.h"

#include <algorithm>

namespace viridian::vmm {
namespace {

constexpr uint32_t kPoolFrames = 8192;

}  // namespace

Result<std::unique_ptr<Network>> Network::create(ReactorThread& thread,
                                                 std::span<const SwitchConfig> switches) {
  VIRIDIAN_TRY(vswitch::start_dpdk());
  std::unique_ptr<Network> network(new Network(thread));
  auto pool = vswitch::make_frame_pool("vmm", kPoolFrames);
  if (!pool) return Unexpected(pool.error());
  network->pool_ = std::move(*pool);
  Result<void> built;
  thread.call([&] {
    network->registration_.emplace();
    for (const SwitchConfig& config : switches) {
      built = network->add_switch(config);
      if (!built) return;
    }
  });
  if (!built) return Unexpected(built.error());
  return network;
}

Network::Switch& Network::add_switch(const std::string& name, vswitch::SwitchKind kind) {
  vswitch::SwitchSettings settings;
  settings.name = name;
  settings.kind = kind;
  switches_.push_back({.name = name,
                       .bridge = std::make_unique<vswitch::VirtualSwitch>(settings, pool_.get()),
                       .tap = nullptr});
  thread_.reactor().attach(*switches_.back().bridge);
  return switches_.back();
}

Result<void> Network::add_switch(const SwitchConfig& config) {
  Switch& made = add_switch(config.name, config.kind);
  if (config.tap.empty()) return {};
  auto tap = vswitch::TapPort::create(thread_.reactor(), pool_.get(), {config.tap, config.mtu});
  if (!tap) return with_context(fmt::format("switch {}", config.name), std::move(tap).error());
  made.tap = std::move(*tap);
  vswitch::PortSettings port;
  port.name = made.tap->interface_name();
  port.role = config.kind == vswitch::SwitchKind::kExternal ? vswitch::PortRole::kUplink
                                                            : vswitch::PortRole::kHost;
  port.vlan = config.vlan;
  port.mirror = config.mirror;
  const auto added = made.bridge->add_port(*made.tap, port);
  if (!added) return with_context(fmt::format("switch {}", config.name), added.error());
  made.tap_port = *added;
  return {};
}

vswitch::VirtualSwitch& Network::find_switch(const std::string& name) {
  const auto found = std::find_if(switches_.begin(), switches_.end(),
                                  [&](const Switch& one) { return one.name == name; });
  if (found != switches_.end()) return *found->bridge;
  return *add_switch(name, vswitch::SwitchKind::kPrivate).bridge;
}

Network::~Network() {
  thread_.call([this] {
    for (Switch& one : switches_) {
      thread_.reactor().detach(*one.bridge);
      if (one.tap_port != vswitch::kNoPort) one.bridge->remove_port(one.tap_port);
    }
    switches_.clear();
    registration_.reset();
  });
}

}  // namespace viridian::vmm
