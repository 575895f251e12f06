#include "netvsp/net_channel.h"

#include <algorithm>
#include <cstring>

#include "netvsp/netvsp.h"
#include "netvsp/rndis_protocol.h"
#include "vmbus/ring_protocol.h"

namespace viridian::netvsp {

NetChannel::NetChannel(Adapter& owner, vmbus::Channel& channel)
    : owner_(owner),
      channel_(channel),
      sends_(std::make_unique<Send[]>(kSendsPerChannel)),               // set-up
      packets_(std::make_unique<PacketOut[]>(kPacketsOutPerChannel)) {  // set-up
  free_sends_.reserve(kSendsPerChannel);
  unanswered_.reserve(kSendsPerChannel);
  for (size_t i = kSendsPerChannel; i-- > 0;) {
    sends_[i].owner = this;
    free_sends_.push_back(&sends_[i]);
  }
  drop_packets();
}

// --- the guest's packets -------------------------------------------------------------------------

void NetChannel::doorbell() noexcept {
  owner_.statistics_.wakes.add();
  while (const vmbus::Packet* packet = channel_.peek()) {
    if (!take_packet(*packet, false)) return;
    channel_.consume();
  }
}

NetChannel::Kind NetChannel::kind_of(const vmbus::Packet& packet, Message& message) noexcept {
  GuestErrors<GuestError>& errors = owner_.statistics_.errors;
  if (packet.type == vmbus::packet_type::kCompletion) return Kind::kCompletion;
  if (packet.type != vmbus::packet_type::kDataInBand &&
      packet.type != vmbus::packet_type::kDataUsingGpaDirect) {
    errors.count(GuestError::kUnknownPacket);
    return Kind::kBad;
  }
  if (packet.payload.size() < sizeof(message.type)) {
    errors.count(GuestError::kShortMessage);
    return Kind::kBad;
  }
  if (const auto whole = read_wire<Message>(packet.payload)) {
    message = *whole;
  } else {
    message = {};
    std::memcpy(&message, packet.payload.data(), packet.payload.size());
  }
  if (message.type.get() != message_type::kSendRndisPacket) return Kind::kNvsp;
  const uint32_t channel_type = body_of<RndisPacketMessage>(message).channel_type;
  return channel_type == kChannelData ? Kind::kFrames : Kind::kControl;
}

bool NetChannel::take_packet(const vmbus::Packet& packet, bool frames_too) noexcept {
  Message message;
  const Kind kind = kind_of(packet, message);
  switch (kind) {
    case Kind::kCompletion:
      take_completion(packet);
      return true;
    case Kind::kNvsp:
      owner_.nvsp_message(*this, message, packet.transaction_id, packet.completion_requested);
      return true;
    case Kind::kBad:
      return true;
    case Kind::kFrames:
      if (!frames_too) return false;
      break;
    case Kind::kControl:
      if (!owner_.can_take_control()) return false;
      break;
  }
  if (free_sends_.empty()) return false;
  Send* send = begin_send(packet, message);
  if (send == nullptr) return true;
  if (kind == Kind::kControl) {
    take_control(*send);
  } else {
    cursor_ = {send, Gathered(std::span(send->pieces).first(send->piece_count)), 0, 0};
    cursor_.message.prefetch(0);
  }
  return true;
}

void NetChannel::take_completion(const vmbus::Packet& packet) noexcept {
  const auto index = static_cast<uint32_t>(packet.transaction_id) - 1;
  const auto generation = static_cast<uint32_t>(packet.transaction_id >> 32);
  if (index >= kPacketsOutPerChannel || !packets_[index].is_out ||
      packets_[index].generation != generation) {
    owner_.statistics_.errors.count(GuestError::kUnknownCompletion);
    return;
  }
  PacketOut& out = packets_[index];
  owner_.receive_buffer_->give_back(out.first_section);
  out.is_out = false;
  ++out.generation;
  out.next_free = free_packet_;
  free_packet_ = index;
  if (blocked_) publish();
  owner_.send_answers();
}

// --- sending -------------------------------------------------------------------------------------

NetChannel::Send* NetChannel::begin_send(const vmbus::Packet& packet,
                                         const Message& message) noexcept {
  Send& send = *free_sends_.back();
  free_sends_.pop_back();
  ++sends_out_;
  send.transaction_id = packet.transaction_id;
  send.wants_answer = packet.completion_requested;
  send.status = status::kSuccess;
  send.piece_count = 0;
  send.shared.free_cb = [](void*, void* opaque) {
    auto& ended = *static_cast<Send*>(opaque);
    ended.owner->ended(ended);
  };
  send.shared.fcb_opaque = &send;
  rte_mbuf_ext_refcnt_set(&send.shared, kReferences);
  send.references_used = 0;
  if (gather(send, packet, message)) return &send;
  release(send);
  return nullptr;
}

// The message is the section of the send buffer, if any, and behind it the packet's ranges.
bool NetChannel::gather(Send& send, const vmbus::Packet& packet, const Message& message) noexcept {
  const auto body = body_of<RndisPacketMessage>(message);
  const auto wrong = [&](GuestError why) {
    fail_send(send, why);
    return false;
  };
  const GuestMemory& memory = channel_.memory();
  if (body.section_index.get() != kNoSection) {
    static_assert(SendSections::kMaxPieces <= kMaxSendPieces);
    if (!owner_.send_buffer_) return wrong(GuestError::kBadSection);
    const auto pieces =
        owner_.send_buffer_->pieces(body.section_index, body.section_bytes, send.pieces);
    if (!pieces) return wrong(GuestError::kBadSection);
    send.piece_count = *pieces;
  }
  if (packet.ranges.empty()) return true;
  const auto more = memory.gather(packet.ranges, std::span(send.pieces).subspan(send.piece_count));
  if (!more) return wrong(GuestError::kBadMemory);
  send.piece_count += *more;
  return true;
}

void NetChannel::take_control(Send& send) noexcept {
  const Gathered message(std::span(send.pieces).first(send.piece_count));
  std::array<std::byte, kMaxControlBytes> copy;
  const auto bytes = std::span(copy).first(std::min<uint64_t>(message.bytes(), copy.size()));
  if (!is_primary() || message.bytes() > copy.size() || !message.copy(0, bytes)) {
    fail_send(send, GuestError::kBadRndis);
  } else {
    owner_.rndis_control(bytes);
  }
  release(send);
}

uint16_t NetChannel::receive(std::span<rte_mbuf*> frames) noexcept {
  uint16_t count = 0;
  starved_ = false;
  FrameStash stash(owner_.pool_);
  while (count < frames.size() && unanswered_.empty()) {
    if (cursor_.send != nullptr) {
      rte_mbuf* frame = next_frame(stash, starved_);
      if (frame != nullptr) frames[count++] = frame;
      if (starved_) break;
      continue;
    }
    const vmbus::Packet* packet = channel_.peek();
    if (packet == nullptr) break;
    if (!take_packet(*packet, true)) {
      starved_ = true;
      break;
    }
    channel_.consume();
  }
  if (count > 0) channel_.flush_soon();
  return count;
}

// The next frame under the cursor; null at the end of its packet, or if there is no memory.
rte_mbuf* NetChannel::next_frame(FrameStash& stash, bool& starved) noexcept {
  rte_mbuf* built = nullptr;
  while (built == nullptr && !starved && !cursor_.at_end()) {
    const auto header = cursor_.message.read<RndisHeader>(cursor_.at);
    const uint64_t left = cursor_.message.bytes() - cursor_.at;
    if (!header || header->length < sizeof(RndisHeader) || header->length > left ||
        header->type.get() != rndis_type::kPacket) {
      fail_send(*cursor_.send, GuestError::kBadRndis);
      cursor_.frames = kMaxFramesPerSend;  // where the next message begins is not known
      break;
    }
    cursor_.message.prefetch(cursor_.at + header->length);
    built = build_next(stash, header->length, starved);
    if (starved) return nullptr;
    cursor_.at += header->length;
    ++cursor_.frames;
  }
  if (cursor_.at_end()) {
    Send& send = *cursor_.send;
    cursor_.send = nullptr;
    release(send);
  }
  return built;
}

rte_mbuf* NetChannel::build_next(FrameStash& stash, uint32_t length, bool& starved) noexcept {
  Statistics& statistics = owner_.statistics_;
  Send& send = *cursor_.send;
  SentFrame frame;
  if (const auto wrong = parse_packet(cursor_.message, cursor_.at, length, frame)) {
    fail_send(send, *wrong);
    return nullptr;
  }
  BuildError error = BuildError::kBadFrame;
  rte_mbuf* built =
      build_frame(stash, cursor_.message, frame, {send.shared, send.references_used}, error);
  if (built != nullptr) {
    statistics.frames_sent.add();
    statistics.bytes_sent.add(built->pkt_len);
    statistics.header_bytes.add(built->data_len);
  } else if (error == BuildError::kNoMemory) {
    statistics.no_frame_memory.add();
    starved = true;
  } else {
    fail_send(send, GuestError::kBadFrame);
  }
  return built;
}

void NetChannel::fail_send(Send& send, GuestError why) noexcept {
  owner_.statistics_.errors.count(why);
  send.status = status::kInvalidRndisPacket;
}

// Gives back the references that no frame took.
bool NetChannel::drop_references(Send& send) noexcept {
  const auto left = static_cast<int16_t>(kReferences - send.references_used);
  return rte_mbuf_ext_refcnt_update(&send.shared, static_cast<int16_t>(-left)) == 0;
}

void NetChannel::release(Send& send) noexcept {
  if (drop_references(send)) ended(send);
}

// No frame refers to the packet's memory any more.
void NetChannel::ended(Send& send) noexcept {
  --sends_out_;
  if (closing_) {
    if (sends_out_ == 0) owner_.forget(*this);  // this object is gone after it
    return;
  }
  if (!unanswered_.empty() || !try_answer(send)) {
    unanswered_.push_back(&send);
  }
  channel_.flush_soon();
}

bool NetChannel::try_answer(Send& send) noexcept {
  if (send.wants_answer) {
    const Message message = make_message(message_type::kSendRndisPacketComplete, le32(send.status));
    if (!channel_.try_complete(send.transaction_id, wire_bytes(message))) return false;
  }
  free_sends_.push_back(&send);
  return true;
}

// --- the rest ------------------------------------------------------------------------------------

void NetChannel::writable() noexcept {
  while (!unanswered_.empty() && try_answer(*unanswered_.back()))
    unanswered_.pop_back();
  if (blocked_) publish();
  owner_.send_answers();
  if (unanswered_.empty()) channel_.resume();
}

bool NetChannel::arm() noexcept {
  channel_.set_polling(false);
  return cursor_.send == nullptr && (!starved_ || !unanswered_.empty());
}

void NetChannel::close() noexcept {
  closing_ = true;
  if (cursor_.send != nullptr) {
    Send& send = *cursor_.send;
    cursor_ = {};
    if (drop_references(send)) --sends_out_;
  }
  if (sends_out_ == 0) owner_.forget(*this);
}

}  // namespace viridian::netvsp
