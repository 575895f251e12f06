// The guest's channel messages, one function for each, and the queues on both ways.
#include <algorithm>

#include "vmbus/message_rules.h"
#include "vmbus/server_core.h"

namespace viridian::vmbus {
namespace {

// Messages handled before the reactor gets to do something else.
constexpr unsigned kMessagesPerTurn = 64;

}  // namespace

uint16_t ServerCore::guest_message(uint32_t connection_id,
                                   std::span<const std::byte> payload) noexcept {
  if (connection_id != kMessageConnection && connection_id != kMessageConnection5) {
    return kHvInvalidConnectionId;
  }
  if (payload.size() > kMaxMessagePayload) return kHvInvalidParameter;
  switch (inbound_.push(payload)) {
    case InboundQueue::Push::kFull:
      return kHvInsufficientBuffers;
    case InboundQueue::Push::kFirst:
      reactor_.post(take_messages_);
      return kHvSuccess;
    default:
      return kHvSuccess;
  }
}

void ServerCore::take_messages() noexcept {
  Message message;
  for (unsigned i = 0; i < kMessagesPerTurn; ++i) {
    if (outbound_.size() > kOutboundMessages) {
      stalled_ = true;  // message_space() goes on
      return;
    }
    if (!inbound_.pop(message)) return;
    handle(message.bytes());
  }
  reactor_.defer(take_messages_);
}

void ServerCore::message_space() noexcept {
  flush_outbound();
  if (stalled_ && outbound_.size() <= kOutboundMessages) {
    stalled_ = false;
    reactor_.defer(take_messages_);
  }
}

void ServerCore::send_bytes(std::span<const std::byte> bytes) {
  outbound_.push_back(Message(bytes));
  flush_outbound();
}

void ServerCore::flush_outbound() noexcept {
  while (!outbound_.empty() && host_.post_message(contact_vp_, outbound_.front().bytes()))
    outbound_.pop_front();
}

void ServerCore::handle(std::span<const std::byte> message) {
  if (reset_done_ != nullptr) return;
  const auto header = read_wire<MessageHeader>(message);
  if (!header) return errors_.count(ServerError::kShortMessage);
  const uint32_t type = header->type;
  const MessageRule* rule = guest_message_rule(type);
  if (rule == nullptr) return errors_.count(ServerError::kUnknownMessage);
  if (message.size() < rule->min_bytes) return errors_.count(ServerError::kShortMessage);
  if (type == message_type::kInitiateContact) {
    return on_contact(*read_wire<InitiateContact>(message));
  }
  if (type == message_type::kUnload) return on_unload();
  if (state_ != State::kConnected) return errors_.count(ServerError::kNotConnected);
  if (rule->min_version > version_) return errors_.count(ServerError::kUnknownMessage);
  handle_connected(type, message);
}

// `message` is at least as long as its type's structure.
void ServerCore::handle_connected(uint32_t type, std::span<const std::byte> message) {
  switch (type) {
    case message_type::kRequestOffers:
      return on_request_offers();
    case message_type::kOpenChannel:
      return on_open(*read_wire<OpenChannel>(message));
    case message_type::kCloseChannel:
      return on_close(read_wire<RelidMessage>(message)->relid);
    case message_type::kGpadlHeader:
      return on_gpadl_header(message);
    case message_type::kGpadlBody:
      return on_gpadl_body(message);
    case message_type::kGpadlTeardown:
      return on_gpadl_teardown(*read_wire<GpadlTeardown>(message));
    case message_type::kRelidReleased:
      return on_relid_released(read_wire<RelidMessage>(message)->relid);
    case message_type::kModifyChannel:
      return on_modify_channel(*read_wire<ModifyChannel>(message));
    case message_type::kTlConnectRequest: {
      const auto request = *read_wire<TlConnectRequest>(message);
      return send(message_type::kTlConnectResult,
                  TlConnectResult{{}, request.endpoint, request.service, kStatusConnectionRefused});
    }
    default:
      return errors_.count(ServerError::kUnknownMessage);
  }
}

// --- the connection ------------------------------------------------------------------------------

void ServerCore::on_contact(const InitiateContact& contact) {
  if (state_ == State::kDisconnected) return negotiate(contact);
  // The guest starts anew without an unload: a crash kernel, or firmware's successor.
  pending_contact_ = contact;
  begin_drain();
}

void ServerCore::negotiate(const InitiateContact& contact) {
  contact_vp_ = contact.target_vp;
  const uint32_t version = contact.version;
  const bool is_supported = version <= max_version_ && std::find(kVersions.begin(), kVersions.end(),
                                                                 version) != kVersions.end();
  VersionResponse response{};
  if (is_supported) {
    state_ = State::kConnected;
    version_ = version;
    response.supported = 1;
    response.message_connection = version >= kVersion5_0 ? kMessageConnection5 : kMessageConnection;
  } else {
    errors_.count(ServerError::kRefusedVersion);
  }
  send(message_type::kVersionResponse, response);
}

void ServerCore::on_unload() {
  pending_contact_.reset();
  pending_unload_ = true;
  begin_drain();
}

void ServerCore::on_request_offers() {
  offers_requested_ = true;
  for (const auto& offer : offers_) {
    Channel& primary = *offer->channels.front();
    if (!primary.offered_ && !primary.rescinded_) send_offer(primary);
  }
  send(message_type::kAllOffersDelivered);
}

// --- channels ------------------------------------------------------------------------------------

void ServerCore::on_open(const OpenChannel& open_request) {
  Channel* channel = find(open_request.relid);
  OpenResult result{{}, open_request.relid, open_request.open_id, kStatusUnsuccessful};
  if (channel == nullptr || !channel->offered_) {
    errors_.count(ServerError::kUnknownChannel);
  } else if (channel->rescinded_) {
    // The guest did not know yet.
  } else if (channel->state_ != Channel::State::kClosed) {
    errors_.count(ServerError::kBadState);
  } else if (open(*channel, open_request)) {
    result.status = kStatusSuccess;
  }
  send(message_type::kOpenResult, result);
  if (result.status.get() != kStatusSuccess) return;
  // What either side signalled before the guest had the result may be lost: look, and make it look.
  channel->resume();
  host_.signal_event(channel->target_vp_, channel->relid_);
}

void ServerCore::on_close(uint32_t relid) {
  Channel* channel = find(relid);
  if (channel == nullptr) return errors_.count(ServerError::kUnknownChannel);
  if (channel->rescinded_) return;  // it is closed or closing, and the guest does its part
  if (channel->state_ != Channel::State::kOpen) return errors_.count(ServerError::kBadState);
  if (channel->sub_channel_index_ == 0) {
    const std::vector<Channel*> channels = channel->offer_->channels;
    for (auto sub = channels.rbegin(); sub != channels.rend(); ++sub) {
      if (*sub != channel) rescind(**sub);
    }
  }
  begin_close(*channel);
}

void ServerCore::on_relid_released(uint32_t relid) {
  Channel* channel = find(relid);
  if (channel == nullptr) return errors_.count(ServerError::kUnknownChannel);
  if (!channel->rescinded_) return errors_.count(ServerError::kBadState);
  channel->released_ = true;
  if (channel->offer_ == nullptr) remove(*channel);  // else when the device lets go
}

void ServerCore::on_modify_channel(const ModifyChannel& modify) {
  Channel* channel = find(modify.relid);
  const bool is_open = channel != nullptr && channel->state_ == Channel::State::kOpen;
  if (is_open) {
    channel->target_vp_ = modify.target_vp;
  } else {
    errors_.count(ServerError::kUnknownChannel);
  }
  if (version_ < kVersion5_3) return;
  send(message_type::kModifyChannelResponse,
       ModifyChannelResponse{{}, modify.relid, is_open ? kStatusSuccess : kStatusUnsuccessful});
}

// --- GPADLs --------------------------------------------------------------------------------------

void ServerCore::on_gpadl_header(std::span<const std::byte> message) {
  const GpadlHeader header = *read_wire<GpadlHeader>(message);
  // Also for a rescinded channel: a guest in the middle of its set-up waits for the answer.
  if (find(header.relid) == nullptr) {
    errors_.count(ServerError::kUnknownChannel);
    return answer_gpadl(GpadlTable::Progress::kRefused, header.relid, header.handle);
  }
  answer_gpadl(gpadls_.header(header.relid, header.handle, header.range_bytes, header.range_count,
                              message.subspan(sizeof(header))),
               header.relid, header.handle);
}

void ServerCore::on_gpadl_body(std::span<const std::byte> message) {
  const GpadlBody body = *read_wire<GpadlBody>(message);
  uint32_t relid = 0;
  const auto progress = gpadls_.body(body.handle, message.subspan(sizeof(body)), relid);
  answer_gpadl(progress, relid, body.handle);
}

void ServerCore::answer_gpadl(GpadlTable::Progress progress, uint32_t relid, uint32_t handle) {
  using Progress = GpadlTable::Progress;
  if (progress == Progress::kRefused || progress == Progress::kIgnored) {
    errors_.count(ServerError::kBadGpadl);
  }
  if (progress == Progress::kIncomplete || progress == Progress::kIgnored) return;
  send(message_type::kGpadlCreated,
       GpadlCreated{{},
                    relid,
                    handle,
                    progress == Progress::kCreated ? kStatusSuccess : kStatusUnsuccessful});
}

void ServerCore::on_gpadl_teardown(const GpadlTeardown& teardown) {
  Channel* channel = find(teardown.relid);
  const uint32_t handle = teardown.handle;
  const bool is_known = gpadls_.find(teardown.relid, handle) != nullptr;
  if (!is_known) errors_.count(ServerError::kBadGpadl);
  if (is_known && channel->state_ == Channel::State::kOpen) {
    if (handle == channel->ring_gpadl_) {
      // The guest takes the rings from under an open channel: it cannot live on.
      errors_.count(ServerError::kBadState);
      begin_close(*channel);
    } else {
      channel->device_->gpadl_torn_down(*channel, handle);
    }
  }
  if (is_known && channel->state_ == Channel::State::kClosing) {
    // The device may still use the pages: answered by close_finished().
    auto& late = channel->late_teardowns_;
    if (std::find(late.begin(), late.end(), handle) == late.end()) late.push_back(handle);
    return;
  }
  gpadls_.erase(teardown.relid, handle);
  send_torndown(handle);
}

void ServerCore::send_torndown(uint32_t handle) {
  send(message_type::kGpadlTorndown, GpadlTorndown{{}, handle});
}

}  // namespace viridian::vmbus
