#include "vmm-minimal/network.h"

#include <algorithm>

namespace viridian::vmm {
namespace {

// Four places in a row, so that each NIC has an interrupt of its own.
constexpr unsigned kFirstNicDevice = 8;
constexpr uint32_t kPoolFrames = 4096;
constexpr const char* kDefaultSwitch = "lan";

vswitch::MacAddress address_of(const NetConfig& config) {
  if (!config.mac.is_zero()) return config.mac;
  return {{0x00, 0x15, 0x5D, 0x00, 0x00, static_cast<uint8_t>(config.index + 1)}};
}

}  // namespace

Result<std::unique_ptr<Network>> Network::create(const Board& board, PciBus& bus,
                                                 std::span<const NetConfig> nics) {
  VIRIDIAN_TRY(vswitch::start_dpdk());
  std::unique_ptr<Network> network(new Network(board));
  // One pool for each machine of the process.
  const std::string name = fmt::format("vmm-{}", fmt::ptr(network.get()));
  auto pool = vswitch::make_frame_pool(name, kPoolFrames);
  if (!pool) return Unexpected(pool.error());
  network->pool_ = std::move(*pool);
  auto thread = ReactorThread::start("network");
  if (!thread) return Unexpected(thread.error());
  network->thread_ = std::move(*thread);
  Result<void> built;
  network->thread_->call([&] { built = network->build(bus, nics); });
  if (!built) return Unexpected(built.error());
  return network;
}

Result<void> Network::build(PciBus& bus, std::span<const NetConfig> nics) {
  registration_.emplace();
  for (const NetConfig& config : nics)
    VIRIDIAN_TRY(add_nic(bus, config));
  return {};
}

vswitch::VirtualSwitch& Network::find_switch(const std::string& name) {
  const auto found = std::find_if(switches_.begin(), switches_.end(),
                                  [&](const Switch& one) { return one.name == name; });
  if (found != switches_.end()) return *found->bridge;
  vswitch::SwitchSettings settings;
  settings.name = name;
  switches_.push_back({name, std::make_unique<vswitch::VirtualSwitch>(settings, pool_.get())});
  thread_->reactor().attach(*switches_.back().bridge);
  return *switches_.back().bridge;
}

Result<void> Network::add_nic(PciBus& bus, const NetConfig& config) {
  const unsigned device = kFirstNicDevice + config.index;
  nics_.push_back({.name = fmt::format("nic{}", config.index),
                   .line = std::make_unique<IrqLine>(board_.vm, PciBus::gsi_of(device, 1)),
                   .device = nullptr});
  Nic& nic = nics_.back();
  tulip::NicSettings settings;
  settings.mac = address_of(config).bytes;
  auto created = tulip::Nic::create(thread_->reactor(), board_.memory, *nic.line, *pool_, settings);
  if (!created) return with_context(nic.name, std::move(created).error());
  nic.device = std::move(*created);
  nic.device->start();

  vswitch::PortSettings port;
  port.name = nic.name;
  port.mac = address_of(config);
  port.vlan = config.vlan;
  auto& bridge = find_switch(config.switch_name.empty() ? kDefaultSwitch : config.switch_name);
  const auto added = bridge.add_port(*nic.device, port);
  if (!added) return with_context(nic.name, added.error());
  nic.bridge = &bridge;
  nic.port = *added;
  return bus.add(device, 0, nic.name, *nic.device);
}

Network::~Network() {
  if (!thread_) return;
  thread_->call([this] {
    io::Reactor& reactor = thread_->reactor();
    for (Switch& one : switches_)
      reactor.detach(*one.bridge);
    for (Nic& nic : nics_) {
      if (nic.bridge != nullptr) nic.bridge->remove_port(nic.port);
      if (nic.device) nic.device->stop();
    }
    reactor.run_until([&] {
      return std::all_of(nics_.begin(), nics_.end(),
                         [](const Nic& nic) { return !nic.device || nic.device->stopped(); });
    });
    nics_.clear();
    switches_.clear();
    registration_.reset();
  });
}

void Network::append_stats(Stats& stats) const {
  for (const Nic& nic : nics_) {
    stats.push_back({"interrupts", nic.name, nic.line->rises()});
    const tulip::Statistics& numbers = nic.device->statistics();
    const std::pair<const char*, uint64_t> columns[] = {
        {"transmitted", numbers.transmitted.get()},
        {"transmitted_bytes", numbers.transmitted_bytes.get()},
        {"received", numbers.received.get()},
        {"received_bytes", numbers.received_bytes.get()},
        {"filtered", numbers.filtered.get()},
        {"missed", numbers.missed.get()},
        {"not_running", numbers.not_running.get()},
        {"bad_length", numbers.bad_length.get()},
        {"looped_back", numbers.looped_back.get()},
        {"setup_frames", numbers.setup_frames.get()},
        {"transmit_demands", numbers.transmit_demands.get()},
        {"receive_demands", numbers.receive_demands.get()},
        {"interrupts", numbers.interrupts.get()},
    };
    for (const auto& [name, value] : columns)
      stats.push_back({nic.name, name, value});
    for (size_t i = 0; i < static_cast<size_t>(tulip::GuestError::kCount); ++i) {
      const auto reason = static_cast<tulip::GuestError>(i);
      if (const uint64_t count = numbers.errors.of(reason); count != 0) {
        stats.push_back({nic.name, fmt::format("guest_error_{}", tulip::name_of(reason)), count});
      }
    }
    const vswitch::PortCounters* port = nic.bridge->counters(nic.port);
    if (port != nullptr) stats.push_back({nic.name, "switch_drops", port->all_dropped()});
  }
}

}  // namespace viridian::vmm
