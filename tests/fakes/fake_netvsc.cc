#include "tests/fakes/fake_netvsc.h"

#include <algorithm>
#include <cstring>

#include "netvsp/limits.h"

namespace viridian::netvsp {
namespace {

constexpr uint32_t kPageBytes = 4096;
constexpr uint64_t kNvspTransaction = 0x77000001;

void append(Bytes& bytes, std::span<const std::byte> more) {
  bytes.insert(bytes.end(), more.begin(), more.end());
}

}  // namespace

Bytes rndis_packet(std::span<const std::byte> frame, std::span<const Info> infos) {
  const auto info_bytes = static_cast<uint32_t>(infos.size() * (sizeof(PacketInfo) + 4));
  RndisPacket packet{};
  packet.data_offset = uint32_t{sizeof(RndisPacket)} + info_bytes;
  packet.data_length = static_cast<uint32_t>(frame.size());
  packet.info_offset = info_bytes > 0 ? uint32_t{sizeof(RndisPacket)} : 0u;
  packet.info_length = info_bytes;
  RndisHeader header;
  header.type = rndis_type::kPacket;
  header.length =
      static_cast<uint32_t>(sizeof(header) + sizeof(packet) + info_bytes + frame.size());
  Bytes bytes;
  append(bytes, wire_bytes(header));
  append(bytes, wire_bytes(packet));
  for (const Info& info : infos) {
    PacketInfo element;
    element.size = uint32_t{sizeof(PacketInfo) + 4};
    element.type = info.type;
    element.offset = uint32_t{sizeof(PacketInfo)};
    append(bytes, wire_bytes(element));
    append(bytes, wire_bytes(le32(info.value)));
  }
  append(bytes, frame);
  return bytes;
}

Bytes frame_of(std::span<const std::byte> message) {
  const auto packet = read_wire<RndisPacket>(message, sizeof(RndisHeader));
  if (!packet) return {};
  const auto data = message.subspan(sizeof(RndisHeader) + packet->data_offset, packet->data_length);
  return {data.begin(), data.end()};
}

std::optional<uint32_t> info_of(std::span<const std::byte> message, uint32_t type) {
  const auto packet = read_wire<RndisPacket>(message, sizeof(RndisHeader));
  if (!packet) return {};
  auto infos = message.subspan(sizeof(RndisHeader) + packet->info_offset, packet->info_length);
  while (const auto info = read_wire<PacketInfo>(infos)) {
    if (info->type.get() == type) return read_wire<le32>(infos, info->offset)->get();
    infos = infos.subspan(info->size);
  }
  return {};
}

FakeNetvsc::FakeNetvsc(vmbus::FakeGuest& guest, std::unique_ptr<vmbus::GuestChannel> channel)
    : guest_(guest), channel_(std::move(channel)) {}

// --- NVSP ----------------------------------------------------------------------------------------

std::optional<Message> FakeNetvsc::nvsp(const Message& message, bool wants_answer) {
  channel_->send(wants_answer ? kNvspTransaction : 0, wire_bytes(message), wants_answer);
  guest_.settle();
  pump();
  const auto found = std::find_if(answers_.begin(), answers_.end(),
                                  [](const auto& one) { return one.first == kNvspTransaction; });
  if (found == answers_.end()) return {};
  const Message answer = found->second;
  answers_.erase(found);
  return answer;
}

std::optional<InitComplete> FakeNetvsc::init(uint32_t version) {
  const auto answer = nvsp(make_message(message_type::kInit, Init{version, version}));
  if (!answer || answer->type.get() != message_type::kInitComplete) return {};
  return body_of<InitComplete>(*answer);
}

ReceiveBufferComplete FakeNetvsc::give_receive_buffer(uint32_t pages, uint32_t offset) {
  receive_pfns_ = guest_.alloc_pages(pages, vmbus::FakeGuest::Layout::kScattered);
  receive_gpadl_ = guest_.new_gpadl_handle();
  receive_offset_ = offset;
  guest_.create_gpadl(channel_->relid(), receive_gpadl_, receive_pfns_, offset,
                      pages * kPageBytes - offset);
  const auto answer =
      nvsp(make_message(message_type::kSendReceiveBuffer, SendBuffer{receive_gpadl_, kReceiveId}));
  return answer ? body_of<ReceiveBufferComplete>(*answer) : ReceiveBufferComplete{};
}

SendBufferComplete FakeNetvsc::give_send_buffer(uint32_t pages) {
  send_pfns_ = guest_.alloc_pages(pages, vmbus::FakeGuest::Layout::kScattered);
  send_gpadl_ = guest_.new_gpadl_handle();
  guest_.create_gpadl(channel_->relid(), send_gpadl_, send_pfns_, 0, pages * kPageBytes);
  const auto answer =
      nvsp(make_message(message_type::kSendSendBuffer, SendBuffer{send_gpadl_, uint16_t{0}}));
  return answer ? body_of<SendBufferComplete>(*answer) : SendBufferComplete{};
}

bool FakeNetvsc::connect(uint32_t version, uint32_t mtu, uint64_t capabilities,
                         uint32_t receive_pages, uint32_t send_pages) {
  const auto agreed = init(version);
  if (!agreed || agreed->status.get() != status::kSuccess) return false;
  nvsp(make_message(message_type::kSendNdisConfig, NdisConfig{mtu, 0u, capabilities}), false);
  nvsp(make_message(message_type::kSendNdisVersion, Init{6u, 0x1eu}), false);
  if (give_receive_buffer(receive_pages).status.get() != status::kSuccess) return false;
  return give_send_buffer(send_pages).status.get() == status::kSuccess;
}

// --- RNDIS control -------------------------------------------------------------------------------

std::optional<Bytes> FakeNetvsc::control(uint32_t type, std::span<const std::byte> body) {
  RndisHeader header;
  header.type = type;
  header.length = static_cast<uint32_t>(sizeof(header) + body.size());
  Bytes message;
  append(message, wire_bytes(header));
  append(message, body);
  const auto pfns = guest_.alloc_pages(1);
  std::memcpy(guest_.host_pointer(pfns[0]), message.data(), message.size());
  const RndisPacketMessage nvsp_body{kChannelControl, kNoSection, 0u};
  channel_->send_gpa_direct(0, 0, static_cast<uint32_t>(message.size()), pfns,
                            wire_bytes(make_message(message_type::kSendRndisPacket, nvsp_body)));
  const auto answer = receive();
  if (!answer || answer->channel_type != kChannelControl) return {};
  return answer->messages.at(0);
}

bool FakeNetvsc::initialize() {
  const InitializeRequest request{next_request_++, 1u, 0u, 0x4000u};
  const auto answer = control(rndis_type::kInitialize, wire_bytes(request));
  if (!answer) return false;
  const auto complete = read_wire<InitializeComplete>(*answer, sizeof(RndisHeader));
  return complete && complete->status.get() == rndis_status::kSuccess;
}

std::optional<Bytes> FakeNetvsc::query(uint32_t oid, std::span<const std::byte> info) {
  Bytes body;
  append(body, wire_bytes(OidRequest{next_request_++, oid, static_cast<uint32_t>(info.size()),
                                     uint32_t{sizeof(OidRequest)}, 0u}));
  append(body, info);
  const auto answer = control(rndis_type::kQuery, body);
  if (!answer) return {};
  const auto complete = read_wire<QueryComplete>(*answer, sizeof(RndisHeader));
  if (!complete || complete->status.get() != rndis_status::kSuccess) return {};
  const auto found =
      std::span(*answer).subspan(sizeof(RndisHeader) + complete->offset, complete->length);
  return Bytes(found.begin(), found.end());
}

std::optional<uint32_t> FakeNetvsc::set(uint32_t oid, std::span<const std::byte> info) {
  Bytes body;
  append(body, wire_bytes(OidRequest{next_request_++, oid, static_cast<uint32_t>(info.size()),
                                     uint32_t{sizeof(OidRequest)}, 0u}));
  append(body, info);
  const auto answer = control(rndis_type::kSet, body);
  if (!answer) return {};
  return read_wire<SimpleComplete>(*answer, sizeof(RndisHeader))->status.get();
}

bool FakeNetvsc::set_filter(uint32_t filter) {
  return set(oid::kPacketFilter, wire_bytes(le32(filter))) == rndis_status::kSuccess;
}

// --- frames --------------------------------------------------------------------------------------

bool FakeNetvsc::send_section(uint64_t id, uint32_t section, std::span<const std::byte> message) {
  uint32_t at = section * kSendSectionBytes;
  for (const std::byte byte : message) {
    send_page(at / kPageBytes)[at % kPageBytes] = byte;
    ++at;
  }
  return send_section(id, section, static_cast<uint32_t>(message.size()));
}

bool FakeNetvsc::send_section(uint64_t id, uint32_t section, uint32_t length) {
  const RndisPacketMessage body{kChannelData, section, length};
  return channel_->send(id, wire_bytes(make_message(message_type::kSendRndisPacket, body)));
}

bool FakeNetvsc::send_direct(uint64_t id, std::span<const std::byte> message, uint32_t offset,
                             std::vector<uint64_t>* pfns) {
  const auto own = guest_.alloc_pages((offset + message.size() + kPageBytes - 1) / kPageBytes,
                                      vmbus::FakeGuest::Layout::kScattered);
  uint32_t at = offset;
  for (const std::byte byte : message) {
    guest_.host_pointer(own[at / kPageBytes])[at % kPageBytes] = byte;
    ++at;
  }
  if (pfns != nullptr) *pfns = own;
  const RndisPacketMessage body{kChannelData, kNoSection, 0u};
  return channel_->send_gpa_direct(id, offset, static_cast<uint32_t>(message.size()), own,
                                   wire_bytes(make_message(message_type::kSendRndisPacket, body)));
}

void FakeNetvsc::pump() {
  while (const vmbus::GuestPacket* packet = channel_->receive_one()) {
    if (packet->descriptor.type.get() == vmbus::packet_type::kCompletion) {
      const auto message = read_wire<Message>(packet->payload);
      answers_.emplace_back(packet->descriptor.transaction_id.get(), message.value_or(Message{}));
    } else if (auto received = take(*packet)) {
      received_.push_back(std::move(*received));
    }
  }
}

std::optional<Received> FakeNetvsc::take(const vmbus::GuestPacket& packet) {
  const auto message = read_wire<Message>(packet.payload);
  const auto header = read_wire<vmbus::TransferPagesHeader>(packet.header);
  if (!message || !header || header->set_id.get() != kReceiveId) return {};
  Received received;
  received.transaction_id = packet.descriptor.transaction_id;
  received.channel_type = body_of<RndisPacketMessage>(*message).channel_type;
  for (uint32_t i = 0; i < header->range_count; ++i) {
    const auto range = *read_wire<vmbus::TransferRange>(
        packet.header, sizeof(*header) + i * sizeof(vmbus::TransferRange));
    Bytes bytes(range.byte_count);
    copy_received(range.byte_offset, bytes);
    received.messages.push_back(std::move(bytes));
  }
  return received;
}

void FakeNetvsc::copy_received(uint32_t at, std::span<std::byte> into) const {
  at += receive_offset_;
  while (!into.empty()) {
    const size_t piece = std::min<size_t>(into.size(), kPageBytes - at % kPageBytes);
    std::memcpy(into.data(),
                guest_.host_pointer(receive_pfns_.at(at / kPageBytes)) + at % kPageBytes, piece);
    into = into.subspan(piece);
    at += static_cast<uint32_t>(piece);
  }
}

std::optional<uint32_t> FakeNetvsc::answer_of(uint64_t id) {
  guest_.settle();
  pump();
  const auto found = std::find_if(answers_.begin(), answers_.end(),
                                  [&](const auto& one) { return one.first == id; });
  if (found == answers_.end()) return {};
  const uint32_t status = body_of<le32>(found->second);
  answers_.erase(found);
  return status;
}

std::optional<Received> FakeNetvsc::receive(bool give) {
  guest_.settle();
  pump();
  if (received_.empty()) return {};
  Received received = std::move(received_.front());
  received_.erase(received_.begin());
  if (give) give_back(received.transaction_id);
  return received;
}

bool FakeNetvsc::complete(uint64_t transaction_id) {
  const Message message =
      make_message(message_type::kSendRndisPacketComplete, le32(status::kSuccess));
  struct {
    vmbus::PacketDescriptor descriptor;
    std::array<std::byte, 8> body;
  } packet{};
  packet.descriptor.type = vmbus::packet_type::kCompletion;
  packet.descriptor.offset8 = uint16_t{sizeof(packet.descriptor) / 8};
  packet.descriptor.len8 = uint16_t{sizeof(packet) / 8};
  packet.descriptor.transaction_id = transaction_id;
  std::memcpy(packet.body.data(), &message, packet.body.size());
  return channel_->send_raw(std::as_bytes(std::span(&packet, 1)));
}

bool FakeNetvsc::give_back(uint64_t transaction_id) {
  const bool sent = complete(transaction_id);
  guest_.settle();
  return sent;
}

}  // namespace viridian::netvsp
