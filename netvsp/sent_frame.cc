#include "netvsp/sent_frame.h"

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "netvsp/limits.h"
#include "netvsp/rndis_protocol.h"

namespace viridian::netvsp {
namespace {

using vswitch::kEthernetHeaderBytes;
using vswitch::kMaxFrameBytes;

void take_value(uint32_t type, uint32_t value, SentFrame& frame) noexcept {
  if (type == info_type::kChecksum) frame.checksum = value;
  if (type == info_type::kLargeSend) frame.large_send = value;
  if (type == info_type::kVlan) frame.vlan = value;
}

bool parse_info(std::span<const std::byte> info, SentFrame& frame) noexcept {
  while (!info.empty()) {
    PacketInfo element;  // in place: an optional of it would be copied several times
    if (info.size() < sizeof(element)) return false;
    std::memcpy(&element, info.data(), sizeof(element));
    const uint32_t size = element.size;
    if (size < sizeof(element) || size % 4 != 0 || size > info.size()) return false;
    const auto value = read_wire<le32>(info.first(size), element.offset);
    if (element.offset < sizeof(element) || !value) return false;
    take_value(element.type, *value, frame);
    info = info.subspan(size);
  }
  return true;
}

// A tag within the frame becomes the mbuf's tag, unless it has one from the message already.
bool take_tag(rte_mbuf& head) noexcept {
  auto* ethernet = rte_pktmbuf_mtod(&head, rte_ether_hdr*);
  if (ethernet->ether_type != RTE_BE16(RTE_ETHER_TYPE_VLAN)) return true;
  if ((head.ol_flags & vswitch::kFrameVlan) != 0) return true;  // a tag within a tag is data
  if (head.data_len < kEthernetHeaderBytes + sizeof(rte_vlan_hdr)) return false;
  const auto* tag = rte_pktmbuf_mtod_offset(&head, const rte_vlan_hdr*, kEthernetHeaderBytes);
  head.vlan_tci = rte_be_to_cpu_16(tag->vlan_tci);
  head.ol_flags |= vswitch::kFrameVlan;
  auto* start = rte_pktmbuf_mtod(&head, std::byte*);
  std::memmove(start + sizeof(rte_vlan_hdr), start, 2 * RTE_ETHER_ADDR_LEN);
  return rte_pktmbuf_adj(&head, sizeof(rte_vlan_hdr)) != nullptr;
}

// The extension headers of IPv6 up to the transport header; its offset, or nothing.
std::optional<uint32_t> transport_of_ipv6(const rte_mbuf& head, uint8_t wanted) noexcept {
  uint32_t at = kEthernetHeaderBytes + sizeof(rte_ipv6_hdr);
  uint8_t protocol =
      rte_pktmbuf_mtod_offset(&head, const rte_ipv6_hdr*, kEthernetHeaderBytes)->proto;
  while (protocol != wanted) {
    if (protocol != IPPROTO_HOPOPTS && protocol != IPPROTO_ROUTING && protocol != IPPROTO_DSTOPTS)
      return {};
    if (at + 8 > head.data_len) return {};
    const auto* extension = rte_pktmbuf_mtod_offset(&head, const uint8_t*, at);
    protocol = extension[0];
    at += (extension[1] + 1u) * 8;
  }
  return at;
}

struct Layers {
  bool ipv6;
  bool tcp;
  uint32_t transport_at;
  uint32_t transport_bytes;
};

// Where the transport header is. What the guest says of it is not believed: the frame tells.
std::optional<Layers> find_layers(const rte_mbuf& head, bool tcp) noexcept {
  Layers layers{};
  layers.tcp = tcp;
  const auto* ethernet = rte_pktmbuf_mtod(&head, const rte_ether_hdr*);
  const uint8_t wanted = tcp ? IPPROTO_TCP : IPPROTO_UDP;
  if (ethernet->ether_type == RTE_BE16(RTE_ETHER_TYPE_IPV4)) {
    if (head.data_len < kEthernetHeaderBytes + sizeof(rte_ipv4_hdr)) return {};
    const auto* ip = rte_pktmbuf_mtod_offset(&head, const rte_ipv4_hdr*, kEthernetHeaderBytes);
    const uint32_t length = rte_ipv4_hdr_len(ip);
    if (ip->version != 4 || length < sizeof(rte_ipv4_hdr) || ip->next_proto_id != wanted) return {};
    layers.transport_at = kEthernetHeaderBytes + length;
  } else if (ethernet->ether_type == RTE_BE16(RTE_ETHER_TYPE_IPV6)) {
    if (head.data_len < kEthernetHeaderBytes + sizeof(rte_ipv6_hdr)) return {};
    const auto at = transport_of_ipv6(head, wanted);
    if (!at) return {};
    layers.ipv6 = true;
    layers.transport_at = *at;
  } else {
    return {};
  }
  layers.transport_bytes = tcp ? sizeof(rte_tcp_hdr) : sizeof(rte_udp_hdr);
  if (layers.transport_at + layers.transport_bytes > head.data_len) return {};
  if (tcp) {
    const auto* header = rte_pktmbuf_mtod_offset(&head, const rte_tcp_hdr*, layers.transport_at);
    layers.transport_bytes = (header->data_off >> 4) * 4u;
    if (layers.transport_bytes < sizeof(rte_tcp_hdr)) return {};
    if (layers.transport_at + layers.transport_bytes > head.data_len) return {};
  }
  return layers;
}

// NDIS leaves an IPv4 header of a large send without length and checksum, and the length out of the
// sum of the pseudo header; a frame in the switch has all three.
void complete_headers(rte_mbuf& head, const Layers& layers) noexcept {
  const bool segment = (head.ol_flags & vswitch::kFrameSegment) != 0;
  const uint32_t packet_bytes = head.pkt_len - kEthernetHeaderBytes;
  uint16_t sum = 0;
  if (layers.ipv6) {
    auto* ip = rte_pktmbuf_mtod_offset(&head, rte_ipv6_hdr*, kEthernetHeaderBytes);
    if (segment) {
      ip->payload_len =
          rte_cpu_to_be_16(static_cast<uint16_t>(packet_bytes - sizeof(rte_ipv6_hdr)));
    }
    // The pseudo header names the transport's own length and protocol, not the extensions'.
    rte_ipv6_hdr pseudo = *ip;
    pseudo.proto = layers.tcp ? IPPROTO_TCP : IPPROTO_UDP;
    pseudo.payload_len =
        rte_cpu_to_be_16(static_cast<uint16_t>(head.pkt_len - layers.transport_at));
    sum = rte_ipv6_phdr_cksum(&pseudo, 0);
  } else {
    auto* ip = rte_pktmbuf_mtod_offset(&head, rte_ipv4_hdr*, kEthernetHeaderBytes);
    if (segment) {
      ip->total_length = rte_cpu_to_be_16(static_cast<uint16_t>(packet_bytes));
      ip->hdr_checksum = 0;
      ip->hdr_checksum = rte_ipv4_cksum(ip);
    }
    sum = rte_ipv4_phdr_cksum(ip, 0);
  }
  if (layers.tcp) {
    rte_pktmbuf_mtod_offset(&head, rte_tcp_hdr*, layers.transport_at)->cksum = sum;
  } else {
    rte_pktmbuf_mtod_offset(&head, rte_udp_hdr*, layers.transport_at)->dgram_cksum = sum;
  }
}

// Says what is still to be done on the frame. False: it is not what its offloads say.
bool set_offloads(rte_mbuf& head, const SentFrame& frame) noexcept {
  const uint32_t checksum = frame.checksum.value_or(0);
  const uint32_t large_send = frame.large_send.value_or(0);
  const uint32_t segment = frame.large_send ? large_send::segment(large_send) : 0;
  if (frame.large_send && (!large_send::is_version2(large_send) || segment == 0)) return false;
  const bool tcp = frame.large_send || (checksum & checksum_request::kTcp) != 0;
  const bool udp = !tcp && (checksum & checksum_request::kUdp) != 0;
  if (!tcp && !udp) {
    head.ol_flags |= vswitch::kFrameChecksumGood;  // it never leaves memory before it is judged
    return true;
  }
  const auto layers = find_layers(head, tcp);
  if (!layers) return false;
  head.l2_len = kEthernetHeaderBytes;
  head.l3_len = (layers->transport_at - kEthernetHeaderBytes) & 0x1FF;
  head.l4_len = layers->transport_bytes & 0xFF;
  head.ol_flags |= layers->ipv6 ? vswitch::kFrameIpv6 : vswitch::kFrameIpv4;
  head.ol_flags |= tcp ? vswitch::kFrameTcp : vswitch::kFrameUdp;
  const uint32_t headers = layers->transport_at + layers->transport_bytes;
  if (segment > 0 && head.pkt_len > headers + segment) {
    if (head.pkt_len - kEthernetHeaderBytes > UINT16_MAX || segment > UINT16_MAX) return false;
    head.tso_segsz = static_cast<uint16_t>(segment);
    head.ol_flags |= vswitch::kFrameSegment;
    if (!layers->ipv6) head.ol_flags |= vswitch::kFrameIpChecksum;
  }
  complete_headers(head, *layers);
  return true;
}

bool attach(FrameStash& stash, rte_mbuf& head, rte_mbuf*& last, std::span<std::byte> piece,
            PageReferences pages) noexcept {
  while (!piece.empty()) {
    rte_mbuf* segment = stash.take();
    if (segment == nullptr) return false;
    const auto length = static_cast<uint16_t>(std::min<size_t>(piece.size(), kMaxPieceBytes));
    ++pages.used;
    rte_pktmbuf_attach_extbuf(segment, piece.data(), 0, length, &pages.shared);
    segment->data_len = length;
    segment->pkt_len = length;
    last->next = segment;
    last = segment;
    ++head.nb_segs;
    head.pkt_len += length;
    piece = piece.subspan(length);
  }
  return true;
}

}  // namespace

std::optional<GuestError> parse_packet(const Gathered& message, uint64_t at, uint32_t length,
                                       SentFrame& frame) noexcept {
  const auto packet = message.read<RndisPacket>(at + sizeof(RndisHeader));
  if (!packet || length < sizeof(RndisHeader) + sizeof(RndisPacket)) return GuestError::kBadRndis;
  const uint32_t body = length - uint32_t{sizeof(RndisHeader)};
  const uint32_t data_offset = packet->data_offset;
  const uint32_t data_length = packet->data_length;
  if (data_offset > body || data_length > body - data_offset) return GuestError::kBadRndis;
  if (data_length < kEthernetHeaderBytes || data_length > kMaxFrameBytes)
    return GuestError::kBadFrame;
  frame.data_at = at + sizeof(RndisHeader) + data_offset;
  frame.data_length = data_length;

  const uint32_t info_offset = packet->info_offset;
  const uint32_t info_length = packet->info_length;
  if (info_length == 0) return {};
  std::array<std::byte, kMaxInfoBytes> info;
  if (info_offset > body || info_length > body - info_offset || info_length > info.size() ||
      info_offset < sizeof(RndisPacket)) {
    return GuestError::kBadPacketInfo;
  }
  const auto copied = std::span(info).first(info_length);
  if (!message.copy(at + sizeof(RndisHeader) + info_offset, copied) || !parse_info(copied, frame))
    return GuestError::kBadPacketInfo;
  return {};
}

rte_mbuf* build_frame(FrameStash& stash, const Gathered& message, const SentFrame& frame,
                      PageReferences pages, BuildError& error) noexcept {
  error = BuildError::kNoMemory;
  rte_mbuf* head = stash.take();
  if (head == nullptr) return nullptr;
  const uint32_t copied = frame.data_length <= kSmallFrameBytes ? frame.data_length : kHeaderBytes;
  auto* room = static_cast<std::byte*>(
      static_cast<void*>(rte_pktmbuf_append(head, static_cast<uint16_t>(copied))));
  bool good = room != nullptr && message.copy(frame.data_at, {room, copied});
  rte_mbuf* last = head;
  if (good && copied < frame.data_length) {
    good = message.for_each(
        frame.data_at + copied, frame.data_length - copied,
        [&](std::span<std::byte> piece) { return attach(stash, *head, last, piece, pages); });
  }
  if (good) {
    error = BuildError::kBadFrame;
    if (frame.vlan) {
      head->vlan_tci = tag_of_info(*frame.vlan);
      head->ol_flags |= vswitch::kFrameVlan;
    }
    good = take_tag(*head) && set_offloads(*head, frame);
  }
  if (!good) {
    rte_pktmbuf_free(head);
    return nullptr;
  }
  return head;
}

}  // namespace viridian::netvsp
