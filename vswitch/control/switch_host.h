// All switches of a process and their ports: makes them what a configuration says while frames
// flow.
//
// One thread at a time calls, inside alone() if there are several; what touches a switch goes to
// the worker's thread and happens between two bursts, so no port but the one that goes loses a
// frame. What takes long (making and closing interfaces) happens on the caller's thread. Guests'
// ports are made by others and join the switches here; they obey the configuration but do not come
// and go with it.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "io/reactor_thread.h"
#include "vswitch/control/config.h"
#include "vswitch/control/device_closer.h"
#include "vswitch/virtual_switch.h"

namespace viridian::vswitch {

class SwitchHost {
 public:
  struct Port {
    PortConfig config;
    std::unique_ptr<SwitchPort> own;  // null: a guest's
    SwitchPort* device = nullptr;
    PortId id = kNoPort;
  };
  struct Switch {
    SwitchSettings settings;
    std::unique_ptr<VirtualSwitch> bridge;
    std::unique_ptr<io::TimerSource> timer;
    std::vector<std::unique_ptr<Port>> ports;

    const Port* find(std::string_view name) const;
    const Port* find(PortId id) const;
  };

  // `pool` is for all frames; both outlive the host. Guests' ports leave before its end.
  SwitchHost(io::ReactorThread& worker, rte_mempool* pool);
  ~SwitchHost();
  SwitchHost(const SwitchHost&) = delete;
  SwitchHost& operator=(const SwitchHost&) = delete;

  // Makes the switches what `wanted` says and returns what was changed, a line each. An error
  // changes nothing. With `only_tell` nothing is changed in any case.
  Result<std::vector<std::string>> apply(const HostConfig& wanted, bool only_tell = false);

  HostConfig config() const;

  // A guest's port, made and destroyed by the caller. The switch is made if it is not there.
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

  // Runs `body` on the worker's thread, between two bursts, and waits for it.
  template <class Body>
  void on_worker(Body&& body) {
    worker_.call(std::forward<Body>(body));
  }

 private:
  struct Plan;

  Result<void> keep_guests(HostConfig& wanted) const;
  Result<void> plan_switch(const SwitchConfig& wanted, Plan& plan);
  Result<void> plan_port(Switch& at, const PortConfig& wanted, Plan& plan);
  void plan_removals(const HostConfig& wanted, Plan& plan);
  Result<void> open_devices(Plan& plan);
  Result<void> carry_out(Plan& plan);
  void forget(Plan& plan);

  std::mutex mutex_;
  io::ReactorThread& worker_;
  rte_mempool* pool_;
  std::optional<DpdkThread> registration_;  // of the worker
  std::vector<std::unique_ptr<Switch>> switches_;
  DeviceCloser closer_;
};

}  // namespace viridian::vswitch
