#include "bench/netvsp_guest.h"

#include <algorithm>
#include <cstring>

#include "netvsp/limits.h"
#include "vmbus/ring_protocol.h"

namespace viridian::bench {
namespace {

using netvsp::body_of;
using netvsp::FakeNetvsc;
using netvsp::Info;
using netvsp::info_of;
using netvsp::kCapabilityRsc;
using netvsp::kChannelData;
using netvsp::kLastPiece;
using netvsp::kMaxFramesPerSend;
using netvsp::kNoSection;
using netvsp::kSendSectionBytes;
using netvsp::kVersion61;
using netvsp::make_message;
using netvsp::Message;
using netvsp::OffloadParameters;
using netvsp::rndis_packet;
using netvsp::RndisHeader;
using netvsp::RndisPacket;
using netvsp::RndisPacketMessage;

namespace checksum_request = netvsp::checksum_request;
namespace info_type = netvsp::info_type;
namespace message_type = netvsp::message_type;
namespace object_type = netvsp::object_type;
namespace offload_choice = netvsp::offload_choice;
namespace oid = netvsp::oid;
namespace packet_filter = netvsp::packet_filter;
namespace rndis_status = netvsp::rndis_status;
namespace status = netvsp::status;
constexpr uint32_t kPageBytes = 4096;
constexpr size_t kRegionBytes = 64u << 20;  // of guest memory; each guest has two
// Linux's sizes: 128 KiB of ring each way, 1 MiB of send buffer, 16 MiB less a page of receive one.
constexpr uint32_t kRingPages = 32;
constexpr uint32_t kSendPages = 256;
constexpr uint32_t kReceivePages = 4095;
constexpr uint32_t kDirectFrames = 16;  // of 64 KiB that are out at a time
constexpr uint32_t kHeadBytes = 256;    // what a large frame's first page holds: its headers

constexpr uint32_t kNumberBytes = sizeof(uint64_t);

void put(Bytes& frame, size_t at, std::initializer_list<unsigned> bytes) {
  for (const unsigned byte : bytes)
    frame[at++] = static_cast<std::byte>(byte & 0xFF);
}

Bytes make_frame(const FrameKind& kind, const MacAddress& from, const MacAddress& to) {
  Bytes frame(kind.bytes);
  for (size_t i = 0; i < frame.size(); ++i)
    frame[i] = static_cast<std::byte>(i * 7 + i / 256);
  std::memcpy(frame.data(), to.data(), 6);
  std::memcpy(frame.data() + 6, from.data(), 6);
  const unsigned packet = kind.bytes - 14;
  put(frame, 12, {0x08, 0, 0x45, 0, packet >> 8, packet, 0, 1, 0x40, 0, 64, kind.tcp ? 6U : 17U});
  put(frame, 24, {0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0x12, 0x34, 0, 80});
  if (kind.tcp) {
    put(frame, 38, {0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x10, 1, 0, 0, 0, 0, 0});
  } else {
    put(frame, 38, {(packet - 20) >> 8, packet - 20, 0, 0});
  }
  return frame;
}

void append(Bytes& bytes, std::span<const std::byte> more) {
  bytes.insert(bytes.end(), more.begin(), more.end());
}

}  // namespace

NetvspGuest::NetvspGuest(io::Reactor& reactor, rte_mempool* pool, const MacAddress& mac)
    : reactor_(reactor),
      guest_(reactor, vmbus::FakeGuest::Threads::kSame, kRegionBytes),
      adapter_(pool, {.identity = {.mac = mac, .friendly_name = "bench"},
                      .instance = "12345678-0000-0000-0000-000000000001"_guid}),
      server_(reactor, guest_.memory(), guest_) {
  guest_.attach(server_);
}

NetvspGuest::~NetvspGuest() {
  struct Done : io::Completion {
    bool ran = false;
  } done;
  done.run = [](io::Completion& self) noexcept { static_cast<Done&>(self).ran = true; };
  server_.reset(done);
  reactor_.run_until([&] { return done.ran; });
  guest_.settle();
}

bool NetvspGuest::connect() {
  if (!server_.offer(adapter_) || guest_.connect() == 0) return false;
  const auto offers = guest_.request_offers();
  if (offers.empty()) return false;
  auto channel = guest_.open(offers[0].relid, kRingPages, kRingPages);
  if (!channel) return false;
  driver_ = std::make_unique<FakeNetvsc>(guest_, std::move(channel));
  OffloadParameters parameters{};
  parameters.header = {object_type::kDefault, 3, uint16_t{sizeof(parameters)}};
  parameters.rsc_ipv4 = offload_choice::kEnabled;
  parameters.rsc_ipv6 = offload_choice::kEnabled;
  return driver_->connect(kVersion61, 1514, kCapabilityRsc, kReceivePages, kSendPages) &&
         driver_->initialize() &&
         driver_->set(oid::kOffloadParameters, wire_bytes(parameters)) == rndis_status::kSuccess &&
         driver_->set_filter(packet_filter::kDirected | packet_filter::kBroadcast);
}

void NetvspGuest::set_frames(const FrameKind& kind, const MacAddress& to) {
  std::vector<Info> infos;
  const uint32_t header_at = 34u << 16;  // of the transport
  if (kind.segment > 0) {
    infos.push_back({info_type::kLargeSend, kind.segment | 34u << 20 | 1u << 30});
  } else if (kind.tcp) {
    infos.push_back(
        {info_type::kChecksum, checksum_request::kIpv4 | checksum_request::kTcp | header_at});
  }
  message_ = rndis_packet(make_frame(kind, mac(), to), infos);
  direct_ = kind.segment > 0;
  pad_bytes_ = 0;
  frames_per_send_ = 1;
  free_.clear();
  direct_frames_.clear();
  if (direct_) {
    for (uint32_t i = 0; i < kDirectFrames; ++i)
      direct_frames_.push_back(make_direct());
  } else {
    // hv_netvsc aligns the next message and counts the padding to this one.
    pad_bytes_ = static_cast<uint32_t>(-message_.size() & 7);
    message_.resize(message_.size() + pad_bytes_);
    write_wire(std::span(message_), le32(static_cast<uint32_t>(message_.size())), 4);
    frames_per_send_ = std::min<uint32_t>(
        kMaxFramesPerSend, static_cast<uint32_t>(kSendSectionBytes / message_.size()));
  }
  const uint32_t count = direct_ ? kDirectFrames : kSendPages * kPageBytes / kSendSectionBytes;
  for (uint32_t i = count; i-- > 0;)
    free_.push_back(i);
}

// One range for each page, as vmbus_sendpacket_pagebuffer() has it: the first for the RNDIS header
// and the frame's headers, the others for the payload.
NetvspGuest::Direct NetvspGuest::make_direct() const {
  Direct frame;
  const size_t payload = message_.size() - kHeadBytes;
  const size_t pages = 1 + (payload + kPageBytes - 1) / kPageBytes;
  frame.pfns = guest_.alloc_pages(pages, vmbus::FakeGuest::Layout::kScattered);
  std::memcpy(guest_.host_pointer(frame.pfns[0]), message_.data(), kHeadBytes);
  vmbus::PacketDescriptor descriptor;
  const size_t offset = sizeof(descriptor) + sizeof(vmbus::GpaDirectHeader) +
                        pages * (sizeof(vmbus::GpaRangeHeader) + sizeof(le64));
  const RndisPacketMessage body{kChannelData, kNoSection, 0u};
  descriptor.type = vmbus::packet_type::kDataUsingGpaDirect;
  descriptor.offset8 = static_cast<uint16_t>(offset / 8);
  descriptor.len8 = static_cast<uint16_t>((offset + sizeof(Message)) / 8);
  descriptor.flags = vmbus::kPacketFlagCompletionRequested;
  append(frame.packet, wire_bytes(descriptor));
  append(frame.packet, wire_bytes(vmbus::GpaDirectHeader{0u, static_cast<uint32_t>(pages)}));
  for (size_t i = 0, at = 0; i < pages; ++i) {
    const size_t most = i == 0 ? kHeadBytes : kPageBytes;
    const auto length = static_cast<uint32_t>(std::min(most, message_.size() - at));
    std::memcpy(guest_.host_pointer(frame.pfns[i]), message_.data() + at, length);
    append(frame.packet, wire_bytes(vmbus::GpaRangeHeader{length, 0u}));
    append(frame.packet, wire_bytes(le64(frame.pfns[i])));
    at += length;
  }
  append(frame.packet, wire_bytes(make_message(message_type::kSendRndisPacket, body)));
  return frame;
}

// --- sending -------------------------------------------------------------------------------------

void NetvspGuest::number(std::byte* at, uint64_t value) { std::memcpy(at, &value, sizeof(value)); }

void NetvspGuest::send(uint32_t frames) {
  while (in_flight_ * frames_per_send_ < frames && !free_.empty()) {
    if (!(direct_ ? send_direct() : send_section())) return;
    free_.pop_back();
    ++in_flight_;
    sent_ += frames_per_send_;
  }
}

bool NetvspGuest::send_section() {
  const uint32_t section = free_.back();
  const auto message_bytes = static_cast<uint32_t>(message_.size());
  uint32_t at = section * kSendSectionBytes;
  std::byte* tail = message_.data() + message_bytes - pad_bytes_ - kNumberBytes;
  for (uint32_t i = 0; i < frames_per_send_; ++i) {
    number(tail, sent_ + i);
    for (uint32_t done = 0; done < message_bytes;) {
      const uint32_t piece = std::min(message_bytes - done, kPageBytes - at % kPageBytes);
      std::memcpy(driver_->send_page(at / kPageBytes) + at % kPageBytes, message_.data() + done,
                  piece);
      done += piece;
      at += piece;
    }
  }
  return driver_->send_section(section + 1, section, frames_per_send_ * message_bytes);
}

bool NetvspGuest::send_direct() {
  Direct& frame = direct_frames_[free_.back()];
  const size_t last = message_.size() - kHeadBytes - (frame.pfns.size() - 2) * kPageBytes;
  number(guest_.host_pointer(frame.pfns.back()) + last - kNumberBytes, sent_);
  const le64 id = uint64_t{free_.back()} + 1;
  std::memcpy(frame.packet.data() + offsetof(vmbus::PacketDescriptor, transaction_id), &id,
              sizeof(id));
  return driver_->channel().send_raw(frame.packet);
}

// --- receiving -----------------------------------------------------------------------------------

void NetvspGuest::receive() {
  vmbus::GuestChannel& channel = driver_->channel();
  while (const vmbus::GuestPacket* packet = channel.receive()) {
    const auto message = read_wire<Message>(packet->payload).value_or(Message{});
    const uint64_t id = packet->descriptor.transaction_id;
    if (packet->descriptor.type.get() == vmbus::packet_type::kCompletion) {
      take_answer(id, message);
    } else {
      take_frames(*packet);
      if (!driver_->complete(id)) ++faults_;
    }
  }
  channel.end_receive();
}

void NetvspGuest::take_answer(uint64_t id, const Message& message) {
  if (body_of<le32>(message).get() != status::kSuccess) ++faults_;
  free_.push_back(static_cast<uint32_t>(id - 1));
  --in_flight_;
}

void NetvspGuest::take_frames(const vmbus::GuestPacket& packet) {
  const uint32_t count = read_wire<vmbus::TransferPagesHeader>(packet.header)->range_count;
  for (uint32_t i = 0; i < count; ++i) {
    const auto range = *read_wire<vmbus::TransferRange>(
        packet.header, sizeof(vmbus::TransferPagesHeader) + i * sizeof(vmbus::TransferRange));
    const auto headers =
        std::span(headers_).first(std::min<size_t>(range.byte_count, headers_.size()));
    driver_->copy_received(range.byte_offset, headers);
    received_bytes_ += read_wire<RndisPacket>(headers, sizeof(RndisHeader))->data_length;
    const auto piece = info_of(headers, info_type::kPacketId);
    if (piece && (*piece >> 8 & kLastPiece) == 0) continue;
    check_number(range.byte_offset + range.byte_count);
  }
}

void NetvspGuest::check_number(uint32_t end) {
  std::array<std::byte, kNumberBytes> bytes;
  driver_->copy_received(end - kNumberBytes, bytes);
  uint64_t value = 0;
  std::memcpy(&value, bytes.data(), sizeof(value));
  if (value != received_) ++faults_;
  received_ = value + 1;
}

}  // namespace viridian::bench
