// The transmit process: "21140A Hardware Reference Manual", sections 4.2.2 and 4.3.5. Walks the
// transmit list, makes frames of segments and takes setup frames.
//
// Worker's thread with the gate held; the members that a register write calls come on vCPUs'.
#pragma once

#include <rte_mbuf.h>

#include <span>

#include "nic-21140/core.h"
#include "nic-21140/descriptor_list.h"

namespace viridian::tulip {

class Transmitter {
 public:
  // `pool` has frames of at least kMaxTransmitBytes in one segment.
  Transmitter(Core& core, rte_mempool& pool) : core_(core), list_(core.memory), pool_(pool) {}
  ~Transmitter() { rte_pktmbuf_free(frame_); }
  Transmitter(const Transmitter&) = delete;
  Transmitter& operator=(const Transmitter&) = delete;

  DescriptorList& list() noexcept { return list_; }
  TransmitState state() const noexcept { return core_.failed ? TransmitState::kStopped : state_; }

  void start() noexcept { state_ = TransmitState::kRunning; }
  void stop() noexcept;  // keeps its place in the list
  void demand() noexcept;
  void reset() noexcept;

  // There is, or may be, something that poll() can do.
  bool runnable() const noexcept { return state() == TransmitState::kRunning && core_.bus_master; }

  // Sends what the guest has given: fills `frames` from the front and returns how many. What is
  // left, by number or by kDescriptorsPerPoll, is there at the next call: still runnable().
  uint16_t poll(std::span<rte_mbuf*> frames) noexcept;

 private:
  void suspend() noexcept;
  bool begin_frame() noexcept;
  bool append(uint32_t address, uint32_t length) noexcept;
  bool take_segment(const Descriptor& descriptor) noexcept;
  void take_setup_frame(const Descriptor& descriptor) noexcept;
  void jabber(const Descriptor& descriptor) noexcept;
  rte_mbuf* finish_frame(const Descriptor& descriptor) noexcept;

  Core& core_;
  DescriptorList list_;
  rte_mempool& pool_;
  TransmitState state_ = TransmitState::kStopped;
  rte_mbuf* frame_ = nullptr;  // kept for the next frame when one is given up
  bool in_frame_ = false;
};

}  // namespace viridian::tulip
