// What one adapter has done, for people who measure. Written by the reactor's thread, readable from
// any; the numbers of one reading need not belong together. Guest's view: sent is what it sends.
#pragma once

#include <cstdint>
#include <iterator>
#include <string_view>

#include "base/counter.h"
#include "base/guest_errors.h"

namespace viridian::netvsp {

enum class GuestError : uint8_t {
  kUnknownPacket,      // a VMBus packet type that carries nothing here
  kShortMessage,       // shorter than its type needs
  kUnknownMessage,     // an NVSP message that is not answered
  kBadState,           // a message out of the handshake's order
  kBadVersion,         // a protocol version that is not spoken here
  kBadBuffer,          // a buffer that is no GPADL of this channel, too small or too large
  kBadSection,         // a section behind the send buffer, or longer than a section
  kBadMemory,          // ranges that are not memory, or in too many pieces
  kBadRndis,           // lengths or offsets that leave the message
  kBadPacketInfo,      // per-packet information that leaves its place
  kBadFrame,           // a frame too short, too long, or not as its offloads say
  kUnknownControl,     // an RNDIS request or an OID that is not known
  kUnknownCompletion,  // of a packet that is not out: a second time, or never sent
  kCount,
};

// For counters that people read.
constexpr std::string_view name_of(GuestError reason) {
  constexpr std::string_view kNames[] = {
      "unknown_packet", "short_message",   "unknown_message",   "bad_state", "bad_version",
      "bad_buffer",     "bad_section",     "bad_memory",        "bad_rndis", "bad_packet_info",
      "bad_frame",      "unknown_control", "unknown_completion"};
  static_assert(std::size(kNames) == static_cast<size_t>(GuestError::kCount));
  return kNames[static_cast<size_t>(reason)];
}

struct Statistics {
  Counter frames_sent;
  Counter bytes_sent;
  Counter frames_received;
  Counter bytes_received;
  Counter bytes_copied;      // into the guest, counted where they are written
  Counter header_bytes;      // of frames that the guest sends: copied before they are judged
  Counter packets_received;  // VMBus packets that the frames travelled in
  Counter wakes;             // times that a channel called
  Counter no_section;        // frames for the guest that found no free section
  Counter ring_full;         // frames for the guest that found its ring full
  Counter filtered;          // frames for the guest that its packet filter keeps out
  Counter too_long;          // frames for the guest that do not fit into a section
  Counter no_frame_memory;   // times that the guest's frames waited for memory of ours
  GuestErrors<GuestError> errors;
};

}  // namespace viridian::netvsp
