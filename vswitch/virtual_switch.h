// A virtual switch: frames of each port go to the port where their destination was last seen, or to
// everybody in their VLAN (IEEE 802.1Q, clauses 6.9 and 8.6 to 8.8, and private VLANs).
//
// The switch is a poller of one reactor: that thread is its worker, be it a thread of its own or
// the one that serves a guest's channels. Every call comes on it, so a port comes, goes and changes
// between two bursts, and nobody else loses a frame. Only counters() may be read by any thread.
//
// A turn takes up to kBurst frames from each port and moves them in phases: judge all, learn all
// sources, look up all destinations, one list for each receiver, one transmit() for each list. A
// frame for many receivers is one frame with a reference for each. Nothing in it allocates, locks
// or calls the kernel. Missing: several workers for one switch.
#pragma once

#include <memory>
#include <vector>

#include "io/reactor.h"
#include "vswitch/dpdk.h"
#include "vswitch/port_state.h"

namespace viridian::vswitch {

class VirtualSwitch : public io::Poller {
 public:
  explicit VirtualSwitch(const SwitchSettings& settings);
  ~VirtualSwitch() override;
  VirtualSwitch(const VirtualSwitch&) = delete;
  VirtualSwitch& operator=(const VirtualSwitch&) = delete;

  // `port` must outlive its stay in the switch. An error changes nothing.
  Result<PortId> add_port(SwitchPort& port, const PortSettings& settings);
  // All of them at once, between two bursts. Also asks for the port's features() again.
  Result<void> change_port(PortId id, const PortSettings& settings);
  void remove_port(PortId id) noexcept;

  // Ports whose role has no place in the new kind stay, but are not connected.
  void set_kind(SwitchKind kind) noexcept;
  SwitchKind kind() const noexcept { return settings_.kind; }

  // An address that stays at a port until the port goes. kNotFound, kInvalidArgument.
  Result<void> add_static_mac(PortId id, const MacAddress& mac, uint16_t vlan);

  const PortState* port(PortId id) const noexcept;  // null: there is none
  const PortCounters* counters(PortId id) const noexcept;
  const MacTable& macs() const noexcept { return macs_; }
  MacTable& macs() noexcept { return macs_; }

  // One round at the given time since any moment. True if a frame moved.
  bool turn(uint64_t now_ns) noexcept;

  // turn() now; sleeps on the doorbells of the ports after some time without a frame.
  bool poll() noexcept override;

 private:
  struct Burst {  // of one port: what was judged about its frames
    std::array<rte_mbuf*, kBurst> frames;
    std::array<uint64_t, kBurst> sources;       // keys of the address table
    std::array<uint64_t, kBurst> destinations;  // likewise
  };
  struct Addresses {
    uint64_t destination;
    uint64_t source;
    uint16_t ethertype;  // as it lies in the frame
  };

  // virtual_switch.cc
  Result<void> check_together(const PortSettings& settings, PortId except) const;
  void apply(PortState& state, const PortSettings& settings);
  void recompute() noexcept;
  bool has_place(PortRole role) const noexcept;
  bool arm_all() noexcept;
  void disarm_all() noexcept;

  // forward.cc
  void forward(PortState& in, uint16_t count) noexcept;
  uint16_t admit(PortState& in, uint16_t count) noexcept;
  DropReason admit_special(PortState& in, rte_mbuf& frame, const Addresses& addresses,
                           uint16_t& group) noexcept;
  void learn(PortState& in, uint16_t count) noexcept;
  void dispatch(PortState& in, uint16_t count) noexcept;
  void send_to_one(PortState& in, PortState& out, rte_mbuf& frame) noexcept;
  void send_to_all(PortState& in, rte_mbuf& frame) noexcept;
  DropReason judge_egress(const PortState& out, const rte_mbuf& frame) const noexcept;
  void append(PortState& out, rte_mbuf& frame) noexcept;
  void transmit(PortState& out) noexcept;
  void finish_round() noexcept;
  static void drop(PortState& at, rte_mbuf& frame, DropReason reason) noexcept;

  SwitchSettings settings_;
  uint32_t now_s_ = 0;
  uint64_t last_work_ns_ = 0;
  bool armed_ = false;
  uint16_t touched_count_ = 0;
  MacTable macs_;
  Burst burst_;
  std::vector<PortState*> ports_;  // those that are there
  std::array<PortState*, kMaxPorts> touched_{};
  std::array<PortState*, kMaxPorts> receivers_{};
  std::array<std::unique_ptr<PortState>, kMaxPorts> slots_;
  std::array<uint16_t, kVlanCount> group_of_{};  // a secondary VLAN's primary; else itself
};

}  // namespace viridian::vswitch
