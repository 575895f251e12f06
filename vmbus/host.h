// What VMBus needs of the machine around it: the SynIC's two ways in and one way out. The machine
// implements it; vmbus and its devices know nothing else of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/result.h"

namespace viridian::vmbus {

// The synthetic interrupt source that VMBus uses: TLFS 11.5, "SINT2" by convention.
constexpr unsigned kSint = 2;

// A SynIC message's payload: TLFS 11.8.
constexpr size_t kMaxMessagePayload = 240;

class Host {
 public:
  virtual ~Host() = default;

  // Queues a channel message (type 1) for SINT2 of virtual processor `vp`; messages of one vp
  // arrive in order. False, and nothing queued, when the bounded queue is full: try again when
  // Server::message_space() is called. The guest chooses `vp`, also in signal_event(): a message
  // or event for one that does not exist, or whose SynIC is off, is counted and dropped, and the
  // return is true. Reactor's thread.
  virtual bool post_message(uint32_t vp, std::span<const std::byte> payload) noexcept = 0;

  // Sets event flag `flag` of SINT2 on `vp` and interrupts it if the flag was clear. Any thread,
  // no lock, no system call but the interrupt's.
  virtual void signal_event(uint32_t vp, uint32_t flag) noexcept = 0;

  // From now on a guest's HvSignalEvent on `connection_id` writes `event_fd`, without an exit to
  // user space where the platform can. Reactor's thread.
  virtual Result<void> add_doorbell(uint32_t connection_id, int event_fd) = 0;
  virtual void remove_doorbell(uint32_t connection_id, int event_fd) noexcept = 0;
};

}  // namespace viridian::vmbus
