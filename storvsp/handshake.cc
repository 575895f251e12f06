#include "storvsp/handshake.h"

#include "storvsp/limits.h"

namespace viridian::storvsp {

uint32_t Handshake::handle(VstorPacket& packet, GuestErrors<GuestError>& errors) noexcept {
  switch (packet.operation) {
    case operation::kBeginInitialization:
      state_ = State::kBegun;
      return packet_status::kSuccess;
    case operation::kQueryProtocolVersion:
      if (state_ != State::kBegun) break;
      return agree_version(packet, errors);
    case operation::kQueryProperties:
      if (state_ != State::kVersionAgreed) break;
      tell_properties(packet);
      state_ = State::kPropertiesTold;
      return packet_status::kSuccess;
    case operation::kEndInitialization:
      if (state_ != State::kPropertiesTold) break;
      state_ = State::kReady;
      return packet_status::kSuccess;
    default:
      break;
  }
  errors.count(GuestError::kBadState);
  return packet_status::kInvalidDeviceState;
}

uint32_t Handshake::agree_version(VstorPacket& packet, GuestErrors<GuestError>& errors) noexcept {
  const auto wanted = *read_wire<ProtocolVersion>(std::as_bytes(std::span(packet.payload)));
  switch (wanted.version) {
    case kVersionWin8:
    case kVersionWin81:
    case kVersionWin10:
      version_ = wanted.version;
      state_ = State::kVersionAgreed;
      return packet_status::kSuccess;
    default:
      errors.count(GuestError::kBadVersion);  // the guest goes on with its next one
      return packet_status::kRevisionMismatch;
  }
}

void Handshake::tell_properties(VstorPacket& packet) noexcept {
  ChannelProperties properties{};
  properties.max_sub_channels = max_sub_channels_;
  properties.flags = max_sub_channels_ > 0 ? kSupportsMultiChannel : 0;
  properties.max_transfer_bytes = kMaxTransferBytes;
  packet.payload = {};
  write_wire(std::as_writable_bytes(std::span(packet.payload)), properties);
}

}  // namespace viridian::storvsp
