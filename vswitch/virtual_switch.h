// A virtual switch: frames of each port go to the port where their destination was last seen, or to
// everybody in their VLAN (IEEE 802.1Q, clauses 6.9 and 8.6 to 8.8, and private VLANs).
//
// The switch is a poller of one reactor: that thread is its worker, be it a thread of its own or
// the one that serves a guest's channels. Every call comes on it, so a port comes, goes and changes
// between two bursts, and nobody else loses a frame. Only counters() may be read by any thread.
//
// A turn takes up to kBurst frames from each port and moves them in phases: judge all, learn all
// sources, look up all destinations, one list for each receiver, one transmit() for each list. A
// frame for many receivers is in several lists, and freed after all were transmitted. Nothing in it
// allocates, locks or calls the kernel.
//
// A switch with several workers is several of these, one on each thread, joined by links: each port
// lives in one, and is a remote port in the others (switch_group.h).
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "io/timer_source.h"
#include "vswitch/burst.h"
#include "vswitch/capture.h"
#include "vswitch/dpdk.h"
#include "vswitch/explanation.h"
#include "vswitch/port_state.h"
#include "vswitch/remote_port.h"
#include "vswitch/worker_seat.h"

namespace viridian::vswitch {

struct PortChange {
  PortId id;
  const PortSettings* settings;
};

class VirtualSwitch : public io::Poller {
 public:
  // `pool` (of kFrameRoomBytes) is for what the switch makes itself: segments of large frames, and
  // copies of shared ones to write a checksum into. Without one such frames are dropped.
  explicit VirtualSwitch(const SwitchSettings& settings, rte_mempool* pool = nullptr);
  ~VirtualSwitch() override;
  VirtualSwitch(const VirtualSwitch&) = delete;
  VirtualSwitch& operator=(const VirtualSwitch&) = delete;

  // `port` must outlive its stay in the switch. An error changes nothing.
  Result<PortId> add_port(SwitchPort& port, const PortSettings& settings);
  // One that another worker has under this number, with the same settings.
  Result<void> add_remote_port(PortId id, RemotePort& port, const PortSettings& settings);
  // All of them at once, between two bursts. Of several ports: they are checked as they will be.
  Result<void> change_port(PortId id, const PortSettings& settings);
  Result<void> change_ports(std::span<const PortChange> changes);
  void remove_port(PortId id) noexcept;

  // Ports whose role has no place in the new kind stay, but are not connected.
  void set_kind(SwitchKind kind) noexcept;
  SwitchKind kind() const noexcept { return settings_.kind; }

  void set_max_age_s(uint32_t seconds) noexcept {
    settings_.mac_age_s = seconds;
    macs_.set_max_age_s(seconds);
  }

  // Before the first port: this is one of several workers.
  void join(WorkerSeat& seat) noexcept { seat_ = &seat; }
  // Takes all that the others have sent, and gives back what is theirs: when they have settled too,
  // no frame is on its way that was before.
  void settle() noexcept;

  // With a timer, a worker sleeps while a port waits for its bandwidth; without, it spins. The
  // timer is of the same reactor, runs, and wakes by expiring; null: none any more.
  void use_timer(io::TimerSource* timer) noexcept { timer_ = timer; }

  // The capture must outlive its stay. kInvalidArgument: there are kMaxCaptures.
  Result<void> add_capture(Capture& capture);
  void remove_capture(Capture& capture) noexcept;

  const PortState* port(PortId id) const noexcept;  // null: there is none
  const PortCounters* counters(PortId id) const noexcept;
  const MacTable& macs() const noexcept { return macs_; }
  MacTable& macs() noexcept { return macs_; }

  // What would become of a frame that came in by the port now. Changes nothing.
  Explanation explain(PortId from, std::span<const uint8_t> frame,
                      std::optional<uint16_t> tag = std::nullopt);

  // One round at the given time since any moment. True if a frame moved.
  bool turn(uint64_t now_ns) noexcept;

  // turn() now; sleeps on the doorbells of the ports after some time without a frame.
  bool poll() noexcept override;

 private:
  using View = FrameView;

  // virtual_switch.cc
  Result<void> place(PortId id, SwitchPort& port, const PortSettings& settings, bool remote);
  Result<void> check_together(const PortSettings& settings) const;
  void apply(PortState& state, const PortSettings& settings);
  void recompute() noexcept;
  void set_features(PortState& state) const noexcept;
  static void set_capabilities(PortState& state, const PortFeatures& features) noexcept;
  void place_static(const PortState& state) noexcept;
  bool has_place(const PortSettings& settings) const noexcept;
  bool is_waiting(const PortState& state) const noexcept;
  bool arm_all() noexcept;
  void disarm_all() noexcept;

  // admit.cc
  uint16_t admit(PortState& in, uint16_t count) noexcept;
  DropReason admit_special(PortState& in, rte_mbuf& frame, uint16_t ethertype,
                           uint16_t& group) noexcept;
  static DropReason judge_ingress(PortState& in, const View& view) noexcept;
  static DropReason judge_sender(PortState& in, uint64_t source,
                                 std::span<const uint8_t> headers) noexcept;
  static DropReason judge_packet(PortState& in, std::span<const uint8_t> headers) noexcept;

  // forward.cc
  uint16_t receive(PortState& in) noexcept;
  uint16_t join_segments(PortState& in, uint16_t count) noexcept;
  void age_some(uint32_t buckets) noexcept;
  void forward(PortState& in, uint16_t count) noexcept;
  void learn(PortState& in, uint16_t count) noexcept;
  void finish_round() noexcept;

  // deliver.cc
  void dispatch(PortState& in, uint16_t count) noexcept;
  void flood(PortState& in, rte_mbuf& frame, uint64_t address) noexcept;
  void send_to_one(PortState& in, PortState& out, rte_mbuf& frame) noexcept;
  bool send_mirrored(PortState& in, PortState& out, rte_mbuf& frame) noexcept;
  void send_to_all(PortState& in, rte_mbuf& frame) noexcept;
  bool storm_allows(PortState& in, uint64_t address, bool count_it) noexcept;
  static DropReason judge_egress(PortState& out, const View& view) noexcept;
  void offer(Receivers& receivers, PortState& out, const rte_mbuf& frame) noexcept;
  void share(rte_mbuf& frame, uint16_t count) noexcept;
  void give(PortState& in, Receivers& receivers, rte_mbuf& frame) noexcept;
  static void refresh(PortState& out) noexcept;
  void append(PortState& out, rte_mbuf& frame, bool shared) noexcept;
  void append_in_software(PortState& out, rte_mbuf& frame, bool shared) noexcept;
  void append_segments(PortState& out, rte_mbuf& frame) noexcept;
  void hand(PortState& out, rte_mbuf& frame) noexcept;
  void lend(PortState& out, rte_mbuf& frame) noexcept;
  void list(PortState& out, rte_mbuf& frame) noexcept;
  void own(rte_mbuf& frame) noexcept;
  void transmit(PortState& out) noexcept;
  void transmit_all() noexcept;
  void free_unless_waiting() noexcept;
  void free_owned() noexcept;
  void drop(PortState& at, rte_mbuf& frame, DropReason reason) noexcept;
  void count_drop(PortState& at, const rte_mbuf& frame, DropReason reason) noexcept;
  void show(const PortState& at, std::span<rte_mbuf* const> frames, CaptureEvent event,
            DropReason reason = DropReason::kNone) noexcept;

  // workers.cc
  bool take_from_workers() noexcept;
  bool take_burst(WorkerLink& link) noexcept;
  bool take_frame(PortState& out, rte_mbuf& frame) noexcept;
  void send_over(PortState& out) noexcept;
  void take_learned(WorkerLink& link) noexcept;
  void tell_workers(uint64_t key) noexcept;
  void tell_mtus() noexcept;
  void wake_workers() noexcept;
  bool arm_links() noexcept;

  SwitchSettings settings_;
  WorkerSeat* seat_ = nullptr;  // null: there are no other workers
  uint64_t now_ns_ = 0;
  uint32_t now_s_ = 0;
  uint32_t told_s_ = 0;        // the second that other workers were told of MTUs last
  uint32_t aged_s_ = 0;        // the second that was swept last
  uint32_t aged_buckets_ = 0;  // of this second's sweep
  uint64_t last_work_ns_ = 0;
  bool armed_ = false;
  static constexpr uint64_t kNever = UINT64_MAX;
  uint64_t next_ready_ns_ = kNever;  // of the ports that wait for bandwidth, the first
  io::TimerSource* timer_ = nullptr;
  std::array<Capture*, kMaxCaptures> captures_{};
  bool throttled_ = false;  // a port waits for its share, so this turn says nothing about idleness
  bool contended_ = false;  // several ports had frames in the last round
  uint16_t busy_count_ = 0;
  uint16_t most_weight_ = 0;
  rte_mempool* pool_;
  uint16_t touched_count_ = 0;
  MacTable macs_;
  Burst burst_;
  std::vector<PortState*> ports_;      // those that are there
  std::vector<PortState*> own_ports_;  // and live here
  std::vector<PortState*> mirrors_;    // those that get copies
  std::array<PortState*, kMaxPorts> touched_{};
  std::array<PortState*, kMaxPorts> receivers_{};
  // Frames that ports borrow: freed when no list has them any more.
  uint16_t owned_count_ = 0;
  std::array<rte_mbuf*, kMaxOwnedFrames> owned_;
  std::array<std::unique_ptr<PortState>, kMaxPorts> slots_;
  std::array<uint16_t, kVlanCount> group_of_{};  // a secondary VLAN's primary; else itself
};

}  // namespace viridian::vswitch
