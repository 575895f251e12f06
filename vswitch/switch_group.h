// A virtual switch with several workers: one view of it (VirtualSwitch) on each worker's thread,
// all with the same ports and settings, joined by links. Each port lives with one worker.
//
// Control's thread, which reaches the workers through what the maker gave: that runs something on a
// worker's thread between two bursts and waits for its end. A port comes first to its own worker
// and goes last from it, so that nobody else loses a frame. With one worker there is one view, and
// nothing of this is seen by the data path.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "io/reactor.h"
#include "vswitch/virtual_switch.h"

namespace viridian::vswitch {

class SwitchGroup {
 public:
  struct Place {
    io::Reactor* reactor = nullptr;  // null: turned by hand
    rte_mempool* pool = nullptr;     // as VirtualSwitch asks for
  };
  using OnWorker = std::function<void(unsigned worker, const std::function<void()>& body)>;

  // At most kMaxWorkers places.
  static Result<std::unique_ptr<SwitchGroup>> create(const SwitchSettings& settings,
                                                     std::span<const Place> places, OnWorker on);
  // After stop(), or if it was never started.
  ~SwitchGroup();
  SwitchGroup(const SwitchGroup&) = delete;
  SwitchGroup& operator=(const SwitchGroup&) = delete;

  // The workers' reactors turn it; or do not any more.
  void start();
  void stop();

  // An error changes nothing. As those of VirtualSwitch.
  Result<PortId> add_port(unsigned worker, SwitchPort& port, const PortSettings& settings);
  void remove_port(PortId id);
  Result<void> change_ports(std::span<const PortChange> changes);
  void set_kind(SwitchKind kind);
  void set_max_age_s(uint32_t seconds);

  unsigned worker_count() const { return static_cast<unsigned>(workers_.size()); }
  unsigned worker_of(PortId id) const { return owners_[id]; }
  // On the worker's thread, but for counters().
  VirtualSwitch& view(unsigned worker) { return workers_[worker]->view; }
  const VirtualSwitch& view(unsigned worker) const { return workers_[worker]->view; }
  VirtualSwitch& home_of(PortId id) { return view(worker_of(id)); }
  const VirtualSwitch& home_of(PortId id) const { return view(worker_of(id)); }

  // Adds what all workers counted at the port.
  void add_counters(PortId id, PortCounters& sum) const;

 private:
  struct Worker {
    Worker(const SwitchSettings& settings, const Place& at) : place(at), view(settings, at.pool) {}
    Result<void> make_events();

    Place place;
    WorkerSeat seat;
    VirtualSwitch view;
    std::vector<std::unique_ptr<RemotePort>> remotes;  // by port
    std::unique_ptr<io::EventSource> rung;
    std::unique_ptr<io::TimerSource> timer;
  };

  SwitchGroup(const SwitchSettings& settings, std::span<const Place> places, OnWorker on);
  void link_all();
  template <class Body>
  void each(Body&& body);  // body(worker, index) on each worker's thread
  void settle_all();

  OnWorker on_;
  MtuBoard mtus_{};
  std::array<uint8_t, kMaxPorts> owners_{};
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<std::unique_ptr<WorkerLink>> links_;
};

}  // namespace viridian::vswitch
