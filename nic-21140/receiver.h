// The receive process: "21140A Hardware Reference Manual", sections 4.2.1, 4.3.4 and 4.2.3. Chooses
// by address and puts frames into the buffers of the receive list.
//
// Worker's thread with the gate held; the members that a register write calls come on vCPUs'.
#pragma once

#include <rte_mbuf.h>

#include <array>

#include "nic-21140/core.h"
#include "nic-21140/descriptor_list.h"
#include "nic-21140/limits.h"

namespace viridian::tulip {

class Receiver {
 public:
  explicit Receiver(Core& core) : core_(core), list_(core.memory) {}

  DescriptorList& list() noexcept { return list_; }
  ReceiveState state() const noexcept { return core_.failed ? ReceiveState::kStopped : state_; }

  void start() noexcept;
  void stop() noexcept;  // keeps its place in the list
  void demand() noexcept;
  void reset() noexcept;

  // False: no descriptor is free, and the frame was counted as missed. Otherwise the guest has it,
  // or it is not meant for the guest.
  bool deliver(const rte_mbuf& frame) noexcept;
  // A frame that comes behind one that was missed: counted, if it is meant for the guest.
  void overlook(const rte_mbuf& frame) noexcept;

  // CSR8, which its read clears.
  uint32_t take_missed() noexcept;

 private:
  std::optional<uint32_t> judge(const rte_mbuf& frame) noexcept;
  std::span<const std::byte> stage(const rte_mbuf& frame) noexcept;
  bool acquire() noexcept;
  void put(std::span<const std::byte> bytes, uint32_t status) noexcept;
  bool fill(const Descriptor& descriptor, std::span<const std::byte>& rest) noexcept;
  void miss() noexcept;

  Core& core_;
  DescriptorList list_;
  ReceiveState state_ = ReceiveState::kStopped;
  uint32_t missed_ = 0;  // as CSR8 says it
  std::array<std::byte, kMaxReceiveBytes> staging_;
};

}  // namespace viridian::tulip
