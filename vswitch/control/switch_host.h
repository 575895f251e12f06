// All switches of a process and their ports: makes them what a configuration says while frames
// flow.
//
// One thread at a time calls, inside alone() if there are several; what touches a switch goes to
// the workers' threads and happens between two bursts, so no port but the one that goes loses a
// frame. Each switch has all of the workers, and each port one of them (switch_group.h). What takes
// long (making and closing interfaces) happens on the caller's thread. Guests' ports are made by
// others and join the switches here; they obey the configuration but do not come and go with it.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "io/reactor_thread.h"
#include "vswitch/control/config.h"
#include "vswitch/control/device_closer.h"
#include "vswitch/switch_group.h"

namespace viridian::vswitch {

class SwitchHost {
 public:
  struct Port {
    PortConfig config;
    std::unique_ptr<SwitchPort> own;  // null: a guest's
    SwitchPort* device = nullptr;
    PortId id = kNoPort;
    unsigned worker = 0;
  };
  struct Switch {
    SwitchSettings settings;
    std::unique_ptr<SwitchGroup> group;
    std::vector<std::unique_ptr<Port>> ports;

    const Port* find(std::string_view name) const;
    const Port* find(PortId id) const;
  };

  // `pool` is for all frames; both outlive the host. Guests' ports leave before its end.
  SwitchHost(io::ReactorThread& worker, rte_mempool* pool);
  // At most kMaxWorkers.
  SwitchHost(std::vector<io::ReactorThread*> workers, rte_mempool* pool);
  ~SwitchHost();
  SwitchHost(const SwitchHost&) = delete;
  SwitchHost& operator=(const SwitchHost&) = delete;

  // Makes the switches what `wanted` says and returns what was changed, a line each. An error
  // changes nothing. With `only_tell` nothing is changed in any case.
  Result<std::vector<std::string>> apply(const HostConfig& wanted, bool only_tell = false);

  HostConfig config() const;

  // A guest's port, made and destroyed by the caller, on the first worker's thread. The switch is
  // made if it is not there.
  Result<void> add_guest(const std::string& switch_name, SwitchPort& port,
                         const PortSettings& settings);
  void remove_guest(const std::string& switch_name, const std::string& port_name);

  const std::vector<std::unique_ptr<Switch>>& switches() const { return switches_; }
  Switch* find(std::string_view name);

  // Any thread but the worker's: runs `body`, which may call the host, while no other body runs.
  template <class Body>
  void alone(Body&& body) {
    const std::lock_guard hold(mutex_);
    body();
  }

  // Runs `body` on a worker's thread, between two bursts, and waits for it.
  template <class Body>
  void on_worker(unsigned worker, Body&& body) {
    workers_[worker]->call(std::forward<Body>(body));
  }
  unsigned worker_count() const { return static_cast<unsigned>(workers_.size()); }

 private:
  struct Plan;

  Result<void> keep_guests(HostConfig& wanted) const;
  Result<void> plan_switch(const SwitchConfig& wanted, Plan& plan);
  Result<void> plan_port(Switch& at, const PortConfig& wanted, Plan& plan);
  void plan_removals(const HostConfig& wanted, Plan& plan);
  Result<void> check_worker(const PortConfig& wanted, const Port* there, std::string_view label);
  unsigned least_loaded(const Plan& plan) const;
  Result<void> open_devices(Plan& plan);
  void reach(unsigned worker, const std::function<void()>& body);
  Result<void> at_once(Plan& plan);
  Result<void> carry_out(Plan& plan);
  void forget(Plan& plan);

  std::mutex mutex_;
  std::vector<io::ReactorThread*> workers_;
  bool inside_ = false;  // all of this happens on the only worker's thread just now
  rte_mempool* pool_;
  std::array<std::optional<DpdkThread>, kMaxWorkers> registrations_;  // of the workers
  std::vector<std::unique_ptr<Switch>> switches_;
  DeviceCloser closer_;
};

}  // namespace viridian::vswitch
