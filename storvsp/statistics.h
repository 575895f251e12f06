// What one controller has done, for people who measure. Written by the reactor's thread, readable
// from any; the numbers of one reading need not belong together.
#pragma once

#include <cstdint>

#include "base/counter.h"
#include "base/guest_errors.h"

namespace viridian::storvsp {

enum class GuestError : uint8_t {
  kUnknownPacket,     // a VMBus packet type that carries no request
  kNoCompletion,      // a request that asks for no answer: dropped
  kShortPacket,       // shorter than a vstor packet
  kUnknownOperation,  // answered as not supported
  kBadState,          // a request before, or a handshake out of its order
  kBadVersion,        // a protocol version that is not spoken here
  kBadCdbLength,      // 0, more than 16, or not what the command needs
  kBadDataLength,     // more than the packet's ranges hold, or than a request may move
  kBadMemory,         // ranges that are not memory, or in too many pieces
  kCount,
};

// The interrupts that reach the guest are counted where they are made, in vmbus::Host.
struct Statistics {
  Counter requests;     // SRBs that came
  Counter completions;  // answers of any kind that went to the ring
  Counter bytes_read;
  Counter bytes_written;
  Counter wakes;       // times that the channel called: doorbells, and looks of our own
  Counter polled;      // requests that were found without a doorbell
  Counter pool_empty;  // times that requests had to wait in the guest's ring
  Counter ring_full;   // answers that had to wait for the guest
  GuestErrors<GuestError> errors;
};

}  // namespace viridian::storvsp
