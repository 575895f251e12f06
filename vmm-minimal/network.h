// The network of the process: its virtual switches with their ports towards the host, the pool that
// all frames come from, and the socket at which the command vswitch controls them. There is none of
// this, and no DPDK, in a process without NICs.
//
// Switches are pollers of the device thread, which carries the VMBus servers and the disks of all
// guests too: so the ring of a guest's channel, the switch and the ring of another guest's are one
// thread's, and a frame passes without a lock. The members are called by any other thread.
#pragma once

#include <memory>
#include <optional>
#include <thread>

#include "io/reactor_thread.h"
#include "vmm-minimal/config.h"
#include "vswitch/control/server.h"
#include "vswitch/control/telemetry.h"

namespace viridian::vmm {

class Network {
 public:
  // A device on its switch.
  struct Plug {
    std::string switch_name, port_name;
    const vswitch::VirtualSwitch* bridge = nullptr;  // null: it is on none
    vswitch::PortId port = vswitch::kNoPort;
  };

  // Makes the switches of `setup`, and serves its control socket if it names one.
  static Result<std::unique_ptr<Network>> create(io::ReactorThread& thread, const Setup& setup);
  ~Network();  // every guest is gone
  Network(const Network&) = delete;

  io::ReactorThread& thread() noexcept { return thread_; }
  rte_mempool& pool() noexcept { return *pool_; }

  // A switch that is not there becomes a private one. `device` stays until it is pulled out.
  Result<Plug> plug_in(const std::string& switch_name, vswitch::SwitchPort& device,
                       const vswitch::PortSettings& settings);
  void pull_out(const Plug& plug);

 private:
  explicit Network(io::ReactorThread& thread) : thread_(thread) {}

  io::ReactorThread& thread_;
  vswitch::FramePool pool_;
  std::unique_ptr<vswitch::SwitchHost> host_;
  std::optional<vswitch::Telemetry> telemetry_;
  std::unique_ptr<vswitch::ControlServer> server_;  // null: nobody controls the switches
  std::thread serving_;
};

}  // namespace viridian::vmm
