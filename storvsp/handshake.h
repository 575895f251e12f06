// How a guest and a controller agree on the storage protocol: BEGIN_INITIALIZATION, one or more
// QUERY_PROTOCOL_VERSION, QUERY_PROPERTIES, END_INITIALIZATION, each answered in its packet.
// Linux: storvsc_channel_init(). A guest may begin again at any time.
#pragma once

#include "storvsp/statistics.h"
#include "storvsp/storvsp_protocol.h"

namespace viridian::storvsp {

class Handshake {
 public:
  explicit Handshake(uint16_t max_sub_channels) : max_sub_channels_(max_sub_channels) {}

  // Requests are served.
  bool is_ready() const noexcept { return state_ == State::kReady; }
  uint16_t version() const noexcept { return version_; }

  // Judges one of the four packets, and fills in the answer's payload. Returns its status.
  uint32_t handle(VstorPacket& packet, GuestErrors<GuestError>& errors) noexcept;
  void reset() noexcept { *this = Handshake(max_sub_channels_); }

 private:
  enum class State : uint8_t { kStart, kBegun, kVersionAgreed, kPropertiesTold, kReady };

  uint32_t agree_version(VstorPacket& packet, GuestErrors<GuestError>& errors) noexcept;
  void tell_properties(VstorPacket& packet) noexcept;

  uint16_t max_sub_channels_;
  State state_ = State::kStart;
  uint16_t version_ = 0;
};

}  // namespace viridian::storvsp
