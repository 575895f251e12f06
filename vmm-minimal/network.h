// The network of the process: its virtual switches, their ports towards the host, and the pool that
// all frames come from. There is none of this, and no DPDK, in a process without NICs.
//
// Switches are pollers of the device thread, which carries the VMBus servers and the disks of all
// guests too: so the ring of a guest's channel, the switch and the ring of another guest's are one
// thread's, and a frame passes without a lock. The members are called by any other thread, and go
// there themselves, where nothing else is said. Left out: uplinks other than a TAP interface.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "vmm-minimal/config.h"
#include "vmm-minimal/reactor_thread.h"
#include "vswitch/tap_port.h"
#include "vswitch/virtual_switch.h"

namespace viridian::vmm {

class Network {
 public:
  // Makes the switches that are described. Main thread.
  static Result<std::unique_ptr<Network>> create(ReactorThread& thread,
                                                 std::span<const SwitchConfig> switches);
  ~Network();  // every guest is gone

  ReactorThread& thread() noexcept { return thread_; }
  rte_mempool& pool() noexcept { return *pool_; }

  // Device thread. A switch that is not described is a private one.
  vswitch::VirtualSwitch& find_switch(const std::string& name);

 private:
  struct Switch {
    std::string name;
    std::unique_ptr<vswitch::VirtualSwitch> bridge;
    std::unique_ptr<vswitch::TapPort> tap;  // null: it has no port towards the host
    vswitch::PortId tap_port = vswitch::kNoPort;
  };

  explicit Network(ReactorThread& thread) : thread_(thread) {}
  Switch& add_switch(const std::string& name, vswitch::SwitchKind kind);
  Result<void> add_switch(const SwitchConfig& config);

  ReactorThread& thread_;
  vswitch::FramePool pool_;
  std::optional<vswitch::DpdkThread> registration_;  // of the device thread
  std::vector<Switch> switches_;
};

}  // namespace viridian::vmm
