#include "vmm-minimal/network.h"

namespace viridian::vmm {
namespace {

constexpr uint32_t kPoolFrames = 8192;
constexpr const char* kVhostPort = "vhost";  // its name

vswitch::PortConfig tap_port(const SwitchConfig& config) {
  vswitch::PortConfig port;
  port.device.name = config.tap;
  port.device.mtu = config.mtu;
  port.settings.name = config.tap;
  port.settings.role = config.kind == vswitch::SwitchKind::kExternal ? vswitch::PortRole::kUplink
                                                                     : vswitch::PortRole::kHost;
  port.settings.vlan = config.vlan;
  port.settings.mirror = config.mirror;
  return port;
}

vswitch::PortConfig vhost_port(const SwitchConfig& config) {
  vswitch::PortConfig port;
  port.device.kind = vswitch::DeviceKind::kVhost;
  port.device.name = config.vhost;
  port.device.mtu = config.mtu;
  port.settings.name = kVhostPort;
  return port;
}

vswitch::SwitchConfig to_control(const SwitchConfig& config) {
  vswitch::SwitchConfig made;
  made.settings.name = config.name;
  made.settings.kind = config.kind;
  if (!config.tap.empty()) made.ports.push_back(tap_port(config));
  if (!config.vhost.empty()) made.ports.push_back(vhost_port(config));
  return made;
}

}  // namespace

Result<std::unique_ptr<Network>> Network::create(io::ReactorThread& thread, const Setup& setup) {
  VIRIDIAN_TRY(vswitch::start_dpdk({.telemetry = true}));
  std::unique_ptr<Network> network(new Network(thread));
  auto pool = vswitch::make_frame_pool("vmm", kPoolFrames);
  if (!pool) return Unexpected(pool.error());
  network->pool_ = std::move(*pool);
  network->host_ = std::make_unique<vswitch::SwitchHost>(thread, network->pool_.get());
  vswitch::HostConfig wanted;
  for (const SwitchConfig& config : setup.switches)
    wanted.switches.push_back(to_control(config));
  if (auto made = network->host_->apply(wanted); !made) return Unexpected(made.error());
  network->telemetry_.emplace(*network->host_);
  if (setup.control_socket.empty()) return network;
  auto server = vswitch::ControlServer::create(*network->host_, setup.control_socket);
  if (!server) return with_context("control", std::move(server).error());
  network->server_ = std::move(*server);
  network->serving_ = std::thread([&server = *network->server_] { server.run(); });
  return network;
}

Network::~Network() {
  if (server_) server_->stop();
  if (serving_.joinable()) serving_.join();
}

Result<Network::Plug> Network::plug_in(const std::string& switch_name, vswitch::SwitchPort& device,
                                       const vswitch::PortSettings& settings) {
  Result<Plug> plug = Plug{switch_name, settings.name, nullptr, vswitch::kNoPort};
  host_->alone([&] {
    if (auto added = host_->add_guest(switch_name, device, settings); !added) {
      plug = Unexpected(std::move(added).error());
      return;
    }
    const auto* at = host_->find(switch_name);
    plug->bridge = &at->group->view(0);  // there is one worker
    plug->port = at->find(settings.name)->id;
  });
  return plug;
}

void Network::pull_out(const Plug& plug) {
  if (plug.bridge == nullptr) return;
  host_->alone([&] { host_->remove_guest(plug.switch_name, plug.port_name); });
}

}  // namespace viridian::vmm
