#include "vswitch/control/switch_host.h"

#include <algorithm>

#include "vswitch/control/open_device.h"

namespace viridian::vswitch {
namespace {

// The fields in which two forms differ: "vlan, acl".
std::string differences(const Json& before, const Json& after) {
  std::string names;
  const auto add = [&](const std::string& name) { names += (names.empty() ? "" : ", ") + name; };
  for (const auto& [name, value] : after.items()) {
    if (!before.contains(name) || before[name] != value) add(name);
  }
  for (const auto& [name, value] : before.items()) {
    if (!after.contains(name)) add(name);
  }
  return names;
}

}  // namespace

// What is to be done, in the order in which it is done.
struct SwitchHost::Plan {
  struct Addition {
    Switch* at;
    std::unique_ptr<Port> port;
    Port* heir_of = nullptr;  // a port that goes and leaves its device
  };
  struct Change {
    Switch* at;
    Port* port;
    const PortConfig* wanted;
  };
  struct Removal {
    Switch* at;
    Port* port;
  };
  struct Resettled {
    Switch* at;
    SwitchSettings settings;
  };

  std::vector<std::string> lines;
  std::vector<std::unique_ptr<Switch>> new_switches;
  std::vector<Switch*> old_switches;
  std::vector<Resettled> resettled;
  std::vector<Removal> removals;
  std::vector<Change> changes;
  std::vector<Addition> additions;
};

const SwitchHost::Port* SwitchHost::Switch::find(std::string_view name) const {
  for (const auto& port : ports) {
    if (port->config.settings.name == name) return port.get();
  }
  return nullptr;
}

const SwitchHost::Port* SwitchHost::Switch::find(PortId id) const {
  for (const auto& port : ports) {
    if (port->id == id) return port.get();
  }
  return nullptr;
}

SwitchHost::SwitchHost(io::ReactorThread& worker, rte_mempool* pool)
    : SwitchHost(std::vector<io::ReactorThread*>{&worker}, pool) {}

SwitchHost::SwitchHost(std::vector<io::ReactorThread*> workers, rte_mempool* pool)
    : workers_(std::move(workers)), pool_(pool) {
  for (unsigned i = 0; i < workers_.size(); ++i)
    on_worker(i, [&] { registrations_[i].emplace(); });
}

SwitchHost::~SwitchHost() {
  Plan plan;
  plan_removals({}, plan);
  (void)at_once(plan);
  forget(plan);
  for (unsigned i = 0; i < workers_.size(); ++i)
    on_worker(i, [&] { registrations_[i].reset(); });
}

SwitchHost::Switch* SwitchHost::find(std::string_view name) {
  for (const auto& one : switches_) {
    if (one->settings.name == name) return one.get();
  }
  return nullptr;
}

HostConfig SwitchHost::config() const {
  HostConfig config;
  for (const auto& one : switches_) {
    config.switches.push_back({one->settings, {}});
    for (const auto& port : one->ports)
      config.switches.back().ports.push_back(port->config);
  }
  return config;
}

// Guests' ports that the configuration does not name stay as they are.
Result<void> SwitchHost::keep_guests(HostConfig& wanted) const {
  for (const auto& one : switches_) {
    const std::string& name = one->settings.name;
    const auto same = std::find_if(wanted.switches.begin(), wanted.switches.end(),
                                   [&](const SwitchConfig& s) { return s.settings.name == name; });
    for (const auto& port : one->ports) {
      if (port->config.device.kind != DeviceKind::kGuest) continue;
      const std::string& port_name = port->config.settings.name;
      if (same == wanted.switches.end()) {
        return fail(ErrorKind::kInvalidArgument,
                    "switch {}: cannot go while the guest's port {} is on it", name, port_name);
      }
      const bool named =
          std::any_of(same->ports.begin(), same->ports.end(),
                      [&](const PortConfig& other) { return other.settings.name == port_name; });
      if (!named) same->ports.push_back(port->config);
    }
  }
  return {};
}

Result<void> SwitchHost::plan_switch(const SwitchConfig& wanted, Plan& plan) {
  Switch* at = find(wanted.settings.name);
  if (at == nullptr) {
    plan.new_switches.push_back(std::make_unique<Switch>());
    at = plan.new_switches.back().get();
    at->settings = wanted.settings;
    plan.lines.push_back(fmt::format("switch {}: added", wanted.settings.name));
  } else {
    if (at->settings.mac_capacity != wanted.settings.mac_capacity) {
      return fail(ErrorKind::kInvalidArgument,
                  "switch {}: mac_capacity cannot change while the switch is there",
                  wanted.settings.name);
    }
    const std::string names = differences(to_json(SwitchConfig{at->settings, {}}),
                                          to_json(SwitchConfig{wanted.settings, {}}));
    if (!names.empty()) {
      plan.resettled.push_back({at, wanted.settings});
      plan.lines.push_back(fmt::format("switch {}: changed {}", wanted.settings.name, names));
    }
  }
  for (const PortConfig& port : wanted.ports)
    VIRIDIAN_TRY(plan_port(*at, port, plan));
  return {};
}

Result<void> SwitchHost::plan_port(Switch& at, const PortConfig& wanted, Plan& plan) {
  const std::string label = fmt::format("port {}/{}", at.settings.name, wanted.settings.name);
  const auto same = std::find_if(at.ports.begin(), at.ports.end(), [&](const auto& port) {
    return port->config.settings.name == wanted.settings.name;
  });
  const bool stays = same != at.ports.end() && (*same)->config.device.same_as(wanted.device);
  VIRIDIAN_TRY(check_worker(wanted, stays ? same->get() : nullptr, label));
  if (stays) {
    const std::string names = differences(to_json((*same)->config), to_json(wanted));
    if (names.empty()) return {};
    plan.changes.push_back({&at, same->get(), &wanted});
    plan.lines.push_back(fmt::format("{}: changed {}", label, names));
    return {};
  }
  if (wanted.device.kind == DeviceKind::kGuest) {
    return fail(ErrorKind::kInvalidArgument,
                "{}: type: there is no guest's port of this name; it comes with its guest", label);
  }
  auto port = std::make_unique<Port>();
  port->config = wanted;
  plan.additions.push_back({&at, std::move(port)});
  plan.lines.push_back(fmt::format("{}: added", label));
  return {};
}

// `there`: the port as it is, or null.
Result<void> SwitchHost::check_worker(const PortConfig& wanted, const Port* there,
                                      std::string_view label) {
  if (!wanted.worker) return {};
  if (*wanted.worker >= workers_.size()) {
    return fail(ErrorKind::kInvalidArgument, "{}: worker: is {}; there are {}, from 0 on", label,
                *wanted.worker, workers_.size());
  }
  if (there != nullptr && *wanted.worker != there->worker) {
    return fail(ErrorKind::kInvalidArgument,
                "{}: worker: stays {} while the port is there; remove it first", label,
                there->worker);
  }
  return {};
}

// The worker with the fewest ports, when those that go are gone.
unsigned SwitchHost::least_loaded(const Plan& plan) const {
  std::array<int, kMaxWorkers> ports{};
  for (const auto& one : switches_) {
    for (const auto& port : one->ports)
      ++ports[port->worker];
  }
  for (const Plan::Removal& removal : plan.removals)
    --ports[removal.port->worker];
  for (const Plan::Addition& addition : plan.additions) {
    if (addition.port->device != nullptr || addition.heir_of != nullptr)
      ++ports[addition.port->worker];
  }
  const auto end = ports.begin() + static_cast<ptrdiff_t>(workers_.size());
  return static_cast<unsigned>(std::min_element(ports.begin(), end) - ports.begin());
}

void SwitchHost::plan_removals(const HostConfig& wanted, Plan& plan) {
  for (const auto& one : switches_) {
    const auto same =
        std::find_if(wanted.switches.begin(), wanted.switches.end(),
                     [&](const SwitchConfig& s) { return s.settings.name == one->settings.name; });
    for (const auto& port : one->ports) {
      const bool stays =
          same != wanted.switches.end() &&
          std::any_of(same->ports.begin(), same->ports.end(), [&](const PortConfig& other) {
            return other.settings.name == port->config.settings.name &&
                   other.device.same_as(port->config.device);
          });
      if (stays) continue;
      plan.removals.push_back({one.get(), port.get()});
      plan.lines.push_back(
          fmt::format("port {}/{}: removed", one->settings.name, port->config.settings.name));
    }
    if (same != wanted.switches.end()) continue;
    plan.old_switches.push_back(one.get());
    plan.lines.push_back(fmt::format("switch {}: removed", one->settings.name));
  }
}

// Before anything is changed. A device that moves from one port to another is not opened again.
Result<void> SwitchHost::open_devices(Plan& plan) {
  for (auto& one : plan.new_switches) {
    std::vector<SwitchGroup::Place> places;
    for (io::ReactorThread* worker : workers_)
      places.push_back({&worker->reactor(), pool_});
    auto made = SwitchGroup::create(
        one->settings, places,
        [this](unsigned worker, const std::function<void()>& body) { reach(worker, body); });
    if (!made) return Unexpected(made.error());
    one->group = std::move(*made);
  }
  for (Plan::Addition& addition : plan.additions) {
    Port& port = *addition.port;
    const DeviceConfig& device = port.config.device;
    const std::string label =
        fmt::format("port {}/{}", addition.at->settings.name, port.config.settings.name);
    const auto heritage =
        std::find_if(plan.removals.begin(), plan.removals.end(), [&](const Plan::Removal& removal) {
          return removal.port->own && removal.port->config.device.same_as(device) &&
                 removal.port->config.device.mtu == device.mtu;
        });
    if (heritage != plan.removals.end()) {
      VIRIDIAN_TRY(check_worker(port.config, heritage->port, label));
      addition.heir_of = heritage->port;
      port.worker = heritage->port->worker;
      continue;
    }
    const bool turns =
        std::any_of(plan.removals.begin(), plan.removals.end(), [&](const Plan::Removal& removal) {
          const DeviceConfig& old = removal.port->config.device;
          return device.kind == DeviceKind::kVhost && old.kind == device.kind &&
                 old.name == device.name && old.client != device.client;
        });
    if (turns) {
      return fail(ErrorKind::kInvalidArgument,
                  "port {}/{}: client: cannot change while socket {} is in use; remove its port "
                  "first",
                  addition.at->settings.name, addition.port->config.settings.name, device.name);
    }
    closer_.wait_for(device);
    port.worker = port.config.worker ? *port.config.worker : least_loaded(plan);
    auto opened = open_device(workers_[port.worker]->reactor(), pool_, device);
    if (!opened) return with_context(label, std::move(opened).error());
    port.own = std::move(*opened);
    port.device = port.own.get();
  }
  return {};
}

// How a group reaches a worker.
void SwitchHost::reach(unsigned worker, const std::function<void()>& body) {
  if (inside_) return body();
  on_worker(worker, [&] { body(); });
}

// With one worker all of it happens between two bursts. With several each of them has its own.
Result<void> SwitchHost::at_once(Plan& plan) {
  if (workers_.size() > 1) return carry_out(plan);
  Result<void> done;
  on_worker(0, [&] {
    inside_ = true;
    done = carry_out(plan);
    inside_ = false;
  });
  return done;
}

// All was checked before, so what fails here is a device's MTU.
Result<void> SwitchHost::carry_out(Plan& plan) {
  for (const Plan::Change& change : plan.changes) {
    if (change.port->config.device.mtu == change.wanted->device.mtu) continue;
    Result<void> done;
    reach(change.port->worker,
          [&] { done = set_device_mtu(*change.port->device, change.wanted->device); });
    VIRIDIAN_TRY(done);
    change.port->config.device.mtu = change.wanted->device.mtu;
  }
  for (const Plan::Removal& removal : plan.removals)
    removal.at->group->remove_port(removal.port->id);
  for (const Plan::Resettled& one : plan.resettled) {
    one.at->group->set_kind(one.settings.kind);
    one.at->group->set_max_age_s(one.settings.mac_age_s);
    one.at->settings = one.settings;
  }
  for (const auto& one : switches_) {
    std::vector<PortChange> together;
    for (const Plan::Change& change : plan.changes) {
      if (change.at == one.get()) together.push_back({change.port->id, &change.wanted->settings});
    }
    if (!together.empty()) VIRIDIAN_TRY(one->group->change_ports(together));
  }
  for (const Plan::Change& change : plan.changes)
    change.port->config = *change.wanted;
  for (const auto& one : plan.new_switches)
    one->group->start();
  for (Plan::Addition& addition : plan.additions) {
    Port& port = *addition.port;
    if (addition.heir_of != nullptr) {
      port.own = std::move(addition.heir_of->own);
      port.device = port.own.get();
    }
    const auto id = addition.at->group->add_port(port.worker, *port.device, port.config.settings);
    if (!id) return Unexpected(id.error());
    port.id = *id;
  }
  for (Switch* one : plan.old_switches)
    one->group->stop();
  for (const Plan::Removal& removal : plan.removals) {
    if (removal.port->own) reach(removal.port->worker, [&] { removal.port->own->close(); });
  }
  return {};
}

// The lists become what was carried out; what left is destroyed here, on the control's thread, but
// for interfaces: the kernel takes its time for them.
void SwitchHost::forget(Plan& plan) {
  for (const Plan::Removal& removal : plan.removals) {
    if (removal.port->config.device.kind == DeviceKind::kTap && removal.port->own)
      closer_.close(std::move(removal.port->own), removal.port->config.device);
  }
  for (const Plan::Removal& removal : plan.removals)
    std::erase_if(removal.at->ports, [&](const auto& port) { return port.get() == removal.port; });
  for (const Switch* old : plan.old_switches)
    std::erase_if(switches_, [&](const auto& one) { return one.get() == old; });
  for (Plan::Addition& addition : plan.additions)
    addition.at->ports.push_back(std::move(addition.port));
  for (auto& one : plan.new_switches)
    switches_.push_back(std::move(one));
}

Result<std::vector<std::string>> SwitchHost::apply(const HostConfig& config, bool only_tell) {
  HostConfig wanted = config;
  VIRIDIAN_TRY(keep_guests(wanted));
  VIRIDIAN_TRY(check(wanted));
  Plan plan;
  plan_removals(wanted, plan);
  for (const SwitchConfig& one : wanted.switches)
    VIRIDIAN_TRY(plan_switch(one, plan));
  if (only_tell || plan.lines.empty()) return plan.lines;
  VIRIDIAN_TRY(open_devices(plan));
  if (auto done = at_once(plan); !done) return Unexpected(done.error());
  forget(plan);
  return plan.lines;
}

Result<void> SwitchHost::add_guest(const std::string& switch_name, SwitchPort& port,
                                   const PortSettings& settings) {
  VIRIDIAN_TRY(check(settings));
  if (find(switch_name) == nullptr) {
    HostConfig wanted = config();
    wanted.switches.emplace_back();
    wanted.switches.back().settings.name = switch_name;
    if (auto made = apply(wanted); !made) return Unexpected(made.error());
  }
  Switch& at = *find(switch_name);
  const Result<PortId> id = at.group->add_port(0, port, settings);
  if (!id) return Unexpected(id.error());
  auto added = std::make_unique<Port>();
  added->config.settings = settings;
  added->config.device.kind = DeviceKind::kGuest;
  added->device = &port;
  added->id = *id;
  at.ports.push_back(std::move(added));
  return {};
}

void SwitchHost::remove_guest(const std::string& switch_name, const std::string& port_name) {
  Switch* at = find(switch_name);
  const Port* port = at == nullptr ? nullptr : at->find(port_name);
  if (port == nullptr || port->config.device.kind != DeviceKind::kGuest) return;
  at->group->remove_port(port->id);
  std::erase_if(at->ports, [&](const auto& one) { return one.get() == port; });
}

}  // namespace viridian::vswitch
