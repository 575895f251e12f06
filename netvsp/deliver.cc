// NetChannel, towards the guest: frames into sections of its receive buffer, and packets that name
// them.
#include <algorithm>
#include <cstring>
#include <optional>

#include "netvsp/net_channel.h"
#include "netvsp/netvsp.h"
#include "netvsp/rndis_protocol.h"
#include "vswitch/frame.h"

namespace viridian::netvsp {
namespace {

constexpr uint32_t kInfoBytes = sizeof(PacketInfo) + sizeof(le32);
constexpr uint32_t kPlainBytes = sizeof(RndisHeader) + sizeof(RndisPacket);
static_assert(kPlainBytes + 4 * kInfoBytes <= kReceiveHeaderBytes);

// The RNDIS header of one frame, or of a piece of it: what goes beside the data.
struct Header {
  uint32_t checksum = 0;  // zero: nothing is told
  std::optional<uint32_t> vlan;
  std::optional<uint32_t> hash;
  uint32_t piece = 0;  // zero: the frame is whole

  uint32_t bytes() const noexcept {
    const uint32_t count = (checksum != 0) + vlan.has_value() + hash.has_value() + (piece != 0);
    return kPlainBytes + count * kInfoBytes;
  }
};

static_assert(offsetof(RndisPacket, data_offset) == 0 && offsetof(RndisPacket, data_length) == 4);
static_assert(offsetof(RndisPacket, info_offset) == 20 && offsetof(RndisPacket, info_length) == 24);
static_assert(offsetof(PacketInfo, size) == 0 && offsetof(PacketInfo, type) == 4 &&
              offsetof(PacketInfo, offset) == 8);

// Puts a header where it is to be, in words of registers: a copy that reads what was just written
// in smaller parts waits for it.
void write_header(std::byte* at, const Header& header, uint32_t data_bytes) noexcept {
  const auto words = [&at](uint32_t first, uint32_t second) {
    const le64 both(uint64_t{second} << 32 | first);
    std::memcpy(at, &both, sizeof(both));
    at += sizeof(both);
  };
  const auto info = [&words](uint32_t type, uint32_t value) {
    words(kInfoBytes, type);
    words(sizeof(PacketInfo), value);
  };
  const uint32_t bytes = header.bytes();
  const uint32_t info_bytes = bytes - kPlainBytes;
  words(rndis_type::kPacket, bytes + data_bytes);
  words(bytes - uint32_t{sizeof(RndisHeader)}, data_bytes);
  words(0, 0);
  words(0, info_bytes > 0 ? uint32_t{sizeof(RndisPacket)} : 0U);
  words(info_bytes, 0);
  constexpr le32 kZero(0);
  std::memcpy(at, &kZero, sizeof(kZero));
  at += sizeof(kZero);
  if (header.checksum != 0) info(info_type::kChecksum, header.checksum);
  if (header.vlan) info(info_type::kVlan, *header.vlan);
  if (header.hash) info(info_type::kHash, *header.hash);
  if (header.piece != 0) info(info_type::kPacketId, header.piece);
}

uint32_t checksum_of(const rte_mbuf& frame) noexcept {
  const uint64_t wanted = frame.ol_flags & vswitch::kFrameTransportMask;
  uint32_t result = 0;
  if (wanted == vswitch::kFrameTcp) result = checksum_result::kTcpGood;
  if (wanted == vswitch::kFrameUdp) result = checksum_result::kUdpGood;
  if ((frame.ol_flags & vswitch::kFrameSegment) != 0) result = checksum_result::kTcpGood;
  if ((frame.ol_flags & vswitch::kFrameChecksumGood) != 0) {
    result = checksum_result::kTcpGood | checksum_result::kUdpGood;
  }
  return result == 0 ? 0 : result | checksum_result::kIpGood;
}

// Where the copy is in the frame.
struct Source {
  const rte_mbuf* segment;
  uint32_t skip = 0;

  std::span<const std::byte> take(uint32_t most) noexcept {
    while (skip == segment->data_len) {
      segment = segment->next;
      skip = 0;
    }
    const uint32_t length = std::min<uint32_t>(most, segment->data_len - skip);
    const auto* bytes = rte_pktmbuf_mtod_offset(segment, const std::byte*, skip);
    skip += length;
    return {bytes, length};
  }
};

}  // namespace

bool NetChannel::deliver(const rte_mbuf& frame, uint32_t hash, bool with_hash) noexcept {
  Statistics& statistics = owner_.statistics_;
  ReceiveBuffer& buffer = *owner_.receive_buffer_;
  Header header;
  header.checksum = checksum_of(frame);
  if ((frame.ol_flags & vswitch::kFrameVlan) == vswitch::kFrameVlan)
    header.vlan = info_of_tag(frame.vlan_tci);
  if (with_hash) header.hash = hash;
  const uint32_t whole = buffer.section_bytes() - header.bytes();
  const bool in_pieces = frame.pkt_len > whole;
  const uint32_t room = in_pieces ? whole - kInfoBytes : whole;
  const uint32_t pieces = in_pieces ? (frame.pkt_len + room - 1) / room : 1;
  if (pieces > kMaxFramesPerPacket || (in_pieces && !owner_.features().segmentation)) {
    statistics.too_long.add();
    return true;
  }
  if (staged_count_ + pieces > kMaxFramesPerPacket) publish();
  if (blocked_) {
    statistics.ring_full.add();
    return false;
  }
  if (buffer.free_count() < pieces + kControlSections) {
    statistics.no_section.add();
    return false;
  }
  Source source{&frame};
  uint32_t left = frame.pkt_len;
  uint32_t copied = 0;
  for (uint32_t piece = 0; piece < pieces; ++piece) {
    const uint32_t data_bytes = std::min(left, room);
    left -= data_bytes;
    if (in_pieces) {
      uint32_t flags = kPiece;
      if (piece == 0) flags |= kFirstPiece;
      if (left == 0) flags |= kLastPiece;
      header.piece = 1 | flags << 8;
    }
    const uint32_t section = buffer.take();
    buffer.prefetch();
    uint32_t at = header.bytes();
    if (std::byte* flat = buffer.flat(section, at); flat != nullptr) {
      write_header(flat, header, data_bytes);
    } else {
      std::array<std::byte, kReceiveHeaderBytes> own;
      write_header(own.data(), header, data_bytes);
      buffer.write(section, 0, std::span(own).first(at));
    }
    const uint32_t end = at + data_bytes;
    while (at < end) {
      const auto part = source.take(end - at);
      buffer.write(section, at, part);
      at += static_cast<uint32_t>(part.size());
      copied += static_cast<uint32_t>(part.size());
    }
    vmbus::TransferRange& range = staged_[staged_count_++];
    range.byte_count = end;
    range.byte_offset = buffer.offset(section);
    (staged_first_ == kNone ? staged_first_ : buffer.next(staged_last_)) = section;
    staged_last_ = section;
  }
  statistics.bytes_copied.add(copied);
  statistics.frames_received.add();
  statistics.bytes_received.add(frame.pkt_len);
  return true;
}

void NetChannel::publish() noexcept {
  if (staged_count_ == 0) return;
  blocked_ = !send_packet(kChannelData, std::span(staged_).first(staged_count_), staged_first_);
  if (blocked_) return;
  owner_.statistics_.packets_received.add();
  staged_count_ = 0;
  staged_first_ = kNone;
  channel_.flush_soon();
}

bool NetChannel::send_packet(uint32_t channel_type, std::span<const vmbus::TransferRange> ranges,
                             uint32_t first_section) noexcept {
  const uint32_t index = free_packet_;
  if (index == kNone) return false;  // take_completion() tries again
  PacketOut& out = packets_[index];
  const uint64_t id = uint64_t{out.generation} << 32 | (index + 1);
  RndisPacketMessage body;
  body.channel_type = channel_type;
  body.section_index = kNoSection;
  const Message message = make_message(message_type::kSendRndisPacket, body);
  if (!channel_.try_send_transfer_pages(id, owner_.receive_buffer_id_, ranges,
                                        wire_bytes(message))) {
    return false;
  }
  free_packet_ = out.next_free;
  out.first_section = first_section;
  out.is_out = true;
  return true;
}

bool NetChannel::send_control(std::span<const std::byte> message) noexcept {
  if (!owner_.receive_buffer_) return false;
  ReceiveBuffer& buffer = *owner_.receive_buffer_;
  if (message.size() > buffer.section_bytes()) return true;
  const uint32_t section = buffer.take();
  if (section == kNone) return false;
  buffer.write(section, 0, message);
  vmbus::TransferRange range;
  range.byte_count = static_cast<uint32_t>(message.size());
  range.byte_offset = buffer.offset(section);
  if (!send_packet(kChannelControl, {&range, 1}, section)) {
    buffer.give_back(section);
    return false;
  }
  channel_.flush_soon();
  return true;
}

void NetChannel::return_sections() noexcept {
  if (!owner_.receive_buffer_) return;
  for (uint32_t index = 0; index < kPacketsOutPerChannel; ++index) {
    if (packets_[index].is_out) owner_.receive_buffer_->give_back(packets_[index].first_section);
  }
  owner_.receive_buffer_->give_back(staged_first_);
  drop_packets();
}

void NetChannel::drop_packets() noexcept {
  free_packet_ = kNone;
  for (uint32_t index = kPacketsOutPerChannel; index-- > 0;) {
    PacketOut& out = packets_[index];
    if (out.is_out) ++out.generation;
    out.is_out = false;
    out.next_free = free_packet_;
    free_packet_ = index;
  }
  staged_count_ = 0;
  staged_first_ = kNone;
  blocked_ = false;
}

}  // namespace viridian::netvsp
