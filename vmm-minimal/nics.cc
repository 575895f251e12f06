#include "vmm-minimal/nics.h"

#include <algorithm>

namespace viridian::vmm {
namespace {

// Four places in a row, so that each NIC has an interrupt of its own.
constexpr unsigned kFirstNicDevice = 8;
constexpr const char* kDefaultSwitch = "lan";
constexpr uint16_t kSyntheticMtu = 9000;

Guid instance_of(unsigned index) {
  Guid instance = "00000000-6e65-7476-8899-000000000000"_guid;
  instance.bytes[0] = static_cast<uint8_t>(index);
  return instance;
}

using Columns = std::span<const std::pair<const char*, uint64_t>>;

// The columns, and what the guest did wrong, by reason, as far as it did.
template <class Reason>
void append(Stats& stats, const std::string& nic, Columns columns,
            const GuestErrors<Reason>& errors) {
  for (const auto& [name, value] : columns)
    stats.push_back({nic, name, value});
  for (size_t i = 0; i < static_cast<size_t>(Reason::kCount); ++i) {
    const auto reason = static_cast<Reason>(i);
    const uint64_t count = errors.of(reason);
    if (count != 0) stats.push_back({nic, fmt::format("guest_error_{}", name_of(reason)), count});
  }
}

void append(Stats& stats, const std::string& nic, const tulip::Statistics& numbers) {
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
  append(stats, nic, columns, numbers.errors);
}

void append(Stats& stats, const std::string& nic, const netvsp::Statistics& numbers) {
  const std::pair<const char*, uint64_t> columns[] = {
      {"transmitted", numbers.frames_sent.get()},
      {"transmitted_bytes", numbers.bytes_sent.get()},
      {"received", numbers.frames_received.get()},
      {"received_bytes", numbers.bytes_received.get()},
      {"received_packets", numbers.packets_received.get()},
      {"copied_bytes", numbers.bytes_copied.get()},
      {"wakes", numbers.wakes.get()},
      {"filtered", numbers.filtered.get()},
      {"no_section", numbers.no_section.get()},
      {"ring_full", numbers.ring_full.get()},
      {"too_long", numbers.too_long.get()},
      {"no_frame_memory", numbers.no_frame_memory.get()},
  };
  append(stats, nic, columns, numbers.errors);
}

}  // namespace

Result<std::unique_ptr<Nics>> Nics::create(Network& network, const Board& board, PciBus& bus,
                                           Vmbus* vmbus, const Config& guest) {
  std::unique_ptr<Nics> nics(new Nics(network, board));
  for (const NetConfig& nic : guest.nics) {
    if (auto added = nics->add(bus, vmbus, guest, nic); !added)
      return with_context(fmt::format("nic{}", nic.index), std::move(added).error());
  }
  return nics;
}

// The guest sees a device when it is on its switch.
Result<void> Nics::add(PciBus& bus, Vmbus* vmbus, const Config& guest, const NetConfig& config) {
  nics_.push_back({.name = fmt::format("nic{}", config.index)});
  Nic& nic = nics_.back();
  Result<void> done;
  network_.thread().call([&] {
    if (config.kind == NetKind::kTulip) {
      done = make_emulated(nic, config);
    } else {
      make_synthetic(nic, guest, config);
    }
  });
  if (done) done = plug_in(nic, guest, config);
  if (!done) return done;
  network_.thread().call([&] {
    done = nic.emulated ? bus.add(kFirstNicDevice + config.index, 0, nic.name, *nic.emulated)
                        : vmbus->server().offer(*nic.synthetic);
  });
  return done;
}

Result<void> Nics::make_emulated(Nic& nic, const NetConfig& config) {
  const unsigned device = kFirstNicDevice + config.index;
  nic.line = std::make_unique<IrqLine>(board_.vm, PciBus::gsi_of(device, 1));
  tulip::NicSettings settings;
  settings.mac = config.mac.bytes;
  auto created = tulip::Nic::create(network_.thread().reactor(), board_.memory, *nic.line,
                                    network_.pool(), settings);
  if (!created) return Unexpected(created.error());
  nic.emulated = std::move(*created);
  nic.emulated->start();
  return {};
}

void Nics::make_synthetic(Nic& nic, const Config& guest, const NetConfig& config) {
  const unsigned queues = config.queues != 0 ? config.queues : guest.cpus;
  netvsp::AdapterOptions options;
  options.identity.mac = config.mac.bytes;
  options.identity.friendly_name = nic.name;
  options.identity.max_mtu = kSyntheticMtu;
  options.identity.max_channels = static_cast<uint16_t>(queues);
  options.instance = instance_of(config.index);
  options.max_sub_channels = static_cast<uint16_t>(queues - 1);
  nic.synthetic = std::make_unique<netvsp::Adapter>(&network_.pool(), options);
}

Result<void> Nics::plug_in(Nic& nic, const Config& guest, const NetConfig& config) {
  vswitch::PortSettings port;
  port.name = guest.name.empty() ? nic.name : fmt::format("{}.{}", guest.name, nic.name);
  port.mac = config.mac;
  port.vlan = config.vlan;
  port.mirror = config.mirror;
  vswitch::SwitchPort* device = nic.emulated.get();
  if (nic.synthetic) device = nic.synthetic.get();
  auto plug = network_.plug_in(config.switch_name.empty() ? kDefaultSwitch : config.switch_name,
                               *device, port);
  if (!plug) return Unexpected(std::move(plug).error());
  nic.plug = std::move(*plug);
  return {};
}

Nics::~Nics() {
  for (const Nic& nic : nics_)
    network_.pull_out(nic.plug);
  network_.thread().call([this] {
    for (Nic& nic : nics_) {
      if (nic.emulated) nic.emulated->stop();
    }
    network_.thread().reactor().run_until([&] {
      return std::all_of(nics_.begin(), nics_.end(),
                         [](const Nic& nic) { return !nic.emulated || nic.emulated->stopped(); });
    });
    nics_.clear();
  });
}

void Nics::append_stats(Stats& stats) const {
  for (const Nic& nic : nics_) {
    if (nic.emulated) {
      stats.push_back({"interrupts", nic.name, nic.line->rises()});
      append(stats, nic.name, nic.emulated->statistics());
    } else {
      append(stats, nic.name, nic.synthetic->statistics());
    }
    const vswitch::PortCounters* port = nic.plug.bridge->counters(nic.plug.port);
    if (port != nullptr) stats.push_back({nic.name, "switch_drops", port->all_dropped()});
  }
}

}  // namespace viridian::vmm
