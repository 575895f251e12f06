// The NICs of the machine and the virtual switches that they are on, with the thread that moves
// their frames. There is none of this, and no DPDK, in a machine without NICs.
//
// Everything here is made, used and destroyed on the network thread; the members are called by the
// main thread and go there themselves. Left out: uplinks and the host's own port.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "nic-21140/nic.h"
#include "vmm-minimal/chipset.h"
#include "vmm-minimal/config.h"
#include "vmm-minimal/reactor_thread.h"
#include "vswitch/virtual_switch.h"

namespace viridian::vmm {

class Network {
 public:
  // Puts the NICs on `bus`, which the network outlives.
  static Result<std::unique_ptr<Network>> create(const Board& board, PciBus& bus,
                                                 std::span<const NetConfig> nics);
  ~Network();  // with the vCPUs ended

  void append_stats(Stats& stats) const;

 private:
  struct Switch {
    std::string name;
    std::unique_ptr<vswitch::VirtualSwitch> bridge;
  };
  struct Nic {
    std::string name;
    std::unique_ptr<IrqLine> line;
    std::unique_ptr<tulip::Nic> device;
    vswitch::VirtualSwitch* bridge = nullptr;  // null: it is on none
    vswitch::PortId port = vswitch::kNoPort;
  };

  explicit Network(const Board& board) : board_(board) {}
  Result<void> build(PciBus& bus, std::span<const NetConfig> nics);
  Result<void> add_nic(PciBus& bus, const NetConfig& config);
  vswitch::VirtualSwitch& find_switch(const std::string& name);

  Board board_;
  vswitch::FramePool pool_;
  std::unique_ptr<ReactorThread> thread_;
  std::optional<vswitch::DpdkThread> registration_;  // of the network thread
  std::vector<Switch> switches_;
  std::vector<Nic> nics_;
};

}  // namespace viridian::vmm
