// What one 21140 did, and what its guest did wrong. Written with the gate held, read by any thread.
#pragma once

#include <iterator>
#include <string_view>

#include "base/counter.h"
#include "base/guest_errors.h"

namespace viridian::tulip {

enum class GuestError : uint8_t {
  kTransmitListNotMemory,
  kTransmitBufferNotMemory,
  kReceiveListNotMemory,
  kReceiveBufferNotMemory,
  kSetupFrameSize,      // not 192 bytes: ignored
  kFrameTooLong,        // jabber
  kFrameTooShort,       // less than an Ethernet frame with padding off
  kBadFcs,              // the guest brought its own, and it is wrong
  kUnfinishedFrame,     // a first segment where the last of another was due
  kStraySegment,        // a segment with data that belongs to no frame
  kTooManyDescriptors,  // for one received frame
  kRegisterAccess,      // not a whole, existing CSR
  kCount
};

// For counters that people read.
constexpr std::string_view name_of(GuestError reason) {
  constexpr std::string_view kNames[] = {"transmit_list_not_memory", "transmit_buffer_not_memory",
                                         "receive_list_not_memory",  "receive_buffer_not_memory",
                                         "setup_frame_size",         "frame_too_long",
                                         "frame_too_short",          "bad_fcs",
                                         "unfinished_frame",         "stray_segment",
                                         "too_many_descriptors",     "register_access"};
  static_assert(std::size(kNames) == static_cast<size_t>(GuestError::kCount));
  return kNames[static_cast<size_t>(reason)];
}

struct Statistics {
  Counter transmitted, transmitted_bytes;  // to the switch
  Counter received, received_bytes;        // to the guest
  Counter filtered;                        // not for this guest's addresses
  Counter missed;                          // no descriptor was free, as CSR8 counts
  Counter not_running;                     // the receiver was stopped or the link down
  Counter bad_length;                      // from the switch: no frame, or too long for the chip
  Counter looped_back;
  Counter setup_frames;
  Counter transmit_demands, receive_demands;  // that reached the worker, merged or not
  Counter interrupts;                         // times that the line rose
  GuestErrors<GuestError> errors;
};

}  // namespace viridian::tulip
