#include "vswitch/offload.h"

#include <netinet/in.h>
#include <rte_ip.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include <algorithm>
#include <cstring>

namespace viridian::vswitch {
namespace {

// What no longer is to be said of a frame that is complete.
constexpr uint64_t kFrameDone = kFrameOffloads | kFrameIpv4 | kFrameIpv6;

constexpr uint8_t kFin = 0x01;
constexpr uint8_t kPsh = 0x08;
constexpr uint8_t kCwr = 0x80;

struct Layout {
  explicit Layout(const rte_mbuf& frame)
      : ip_at(frame.l2_len),
        transport_at(ip_at + frame.l3_len),
        payload_at(transport_at + frame.l4_len) {}
  uint32_t ip_at;
  uint32_t transport_at;
  uint32_t payload_at;
};

bool is_tcp(const rte_mbuf& frame) noexcept {
  return (frame.ol_flags & kFrameTransportMask) == kFrameTcp ||
         (frame.ol_flags & kFrameSegment) != 0;
}

template <class Header>
Header* header_at(rte_mbuf& frame, uint32_t at) noexcept {
  return rte_pktmbuf_mtod_offset(&frame, Header*, at);
}

void write_checksum(rte_mbuf& frame, const Layout& layout, uint16_t value) noexcept {
  if (is_tcp(frame)) {
    header_at<rte_tcp_hdr>(frame, layout.transport_at)->cksum = value;
  } else {
    header_at<rte_udp_hdr>(frame, layout.transport_at)->dgram_cksum = value;
  }
}

// The transport's own bytes: an Ethernet frame may have padding after them.
uint32_t transport_bytes(const rte_mbuf& frame, const Layout& layout) noexcept {
  uint32_t packet = 0;
  if ((frame.ol_flags & kFrameIpv4) != 0) {
    const auto* ip = rte_pktmbuf_mtod_offset(&frame, const rte_ipv4_hdr*, layout.ip_at);
    packet = rte_be_to_cpu_16(ip->total_length);
  } else {
    const auto* ip = rte_pktmbuf_mtod_offset(&frame, const rte_ipv6_hdr*, layout.ip_at);
    packet = sizeof(*ip) + rte_be_to_cpu_16(ip->payload_len);
  }
  return packet - frame.l3_len;
}

bool transport_fits(const rte_mbuf& frame, const Layout& layout) noexcept {
  if (frame.l4_len < (is_tcp(frame) ? sizeof(rte_tcp_hdr) : sizeof(rte_udp_hdr))) return false;
  if (is_tcp(frame)) {
    const auto* tcp = rte_pktmbuf_mtod_offset(&frame, const rte_tcp_hdr*, layout.transport_at);
    if ((tcp->data_off >> 4) * 4U != frame.l4_len) return false;
  }
  // The lengths of a large send are often not there yet.
  if ((frame.ol_flags & kFrameSegment) != 0)
    return frame.tso_segsz != 0 && segment_count(frame) <= kMaxSegments;
  const uint32_t bytes = transport_bytes(frame, layout);
  return bytes >= frame.l4_len && bytes <= frame.pkt_len - layout.transport_at;
}

void set_ipv4_checksum(rte_ipv4_hdr& ip) noexcept {
  ip.hdr_checksum = 0;
  ip.hdr_checksum = rte_ipv4_cksum(&ip);
}

// The whole checksum of a frame whose lengths are right.
void set_transport_checksum(rte_mbuf& frame) noexcept {
  const Layout layout(frame);
  const uint32_t bytes = transport_bytes(frame, layout);
  write_checksum(frame, layout, 0);
  uint16_t sum = 0;
  rte_raw_cksum_mbuf(&frame, layout.transport_at, bytes, &sum);
  uint32_t total = sum;
  if ((frame.ol_flags & kFrameIpv4) != 0) {
    total += rte_ipv4_phdr_cksum(header_at<rte_ipv4_hdr>(frame, layout.ip_at), 0);
  } else {
    // The pseudo header names the transport, whatever extension headers come before it.
    rte_ipv6_hdr pseudo = *header_at<rte_ipv6_hdr>(frame, layout.ip_at);
    pseudo.proto = is_tcp(frame) ? IPPROTO_TCP : IPPROTO_UDP;
    pseudo.payload_len = rte_cpu_to_be_16(static_cast<uint16_t>(bytes));
    total += rte_ipv6_phdr_cksum(&pseudo, 0);
  }
  total = (total & 0xFFFF) + (total >> 16);
  total = (total & 0xFFFF) + (total >> 16);
  const auto result = static_cast<uint16_t>(~total);
  write_checksum(frame, layout, result == 0 && !is_tcp(frame) ? uint16_t{0xFFFF} : result);
}

// Copies `length` bytes from `at` of a frame to the end of another, which grows by segments.
bool append_bytes(rte_mbuf& to, const rte_mbuf& from, uint32_t at, uint32_t length,
                  rte_mempool* pool) noexcept {
  rte_mbuf* last = rte_pktmbuf_lastseg(&to);
  const rte_mbuf* part = &from;
  while (length > 0) {
    while (part != nullptr && at >= part->data_len) {
      at -= part->data_len;
      part = part->next;
    }
    if (part == nullptr) return false;
    if (rte_pktmbuf_tailroom(last) == 0) {
      last->next = rte_pktmbuf_alloc(pool);
      if (last->next == nullptr) return false;
      last = last->next;
      last->data_off = 0;
      ++to.nb_segs;
    }
    const uint32_t here = std::min<uint32_t>(part->data_len - at, rte_pktmbuf_tailroom(last));
    const uint32_t bytes = std::min(length, here);
    std::memcpy(rte_pktmbuf_mtod_offset(last, uint8_t*, last->data_len),
                rte_pktmbuf_mtod_offset(part, const uint8_t*, at), bytes);
    last->data_len = static_cast<uint16_t>(last->data_len + bytes);
    to.pkt_len += bytes;
    at += bytes;
    length -= bytes;
  }
  return true;
}

// Makes the copied headers those of the segment at `offset` of the payload.
void fix_headers(rte_mbuf& segment, uint32_t index, uint32_t offset, bool is_last) noexcept {
  const Layout layout(segment);
  const uint32_t packet = segment.pkt_len - layout.ip_at;
  if ((segment.ol_flags & kFrameIpv4) != 0) {
    auto* ip = header_at<rte_ipv4_hdr>(segment, layout.ip_at);
    ip->total_length = rte_cpu_to_be_16(static_cast<uint16_t>(packet));
    ip->packet_id =
        rte_cpu_to_be_16(static_cast<uint16_t>(rte_be_to_cpu_16(ip->packet_id) + index));
    set_ipv4_checksum(*ip);
  } else {
    auto* ip = header_at<rte_ipv6_hdr>(segment, layout.ip_at);
    ip->payload_len = rte_cpu_to_be_16(static_cast<uint16_t>(packet - sizeof(*ip)));
  }
  auto* tcp = header_at<rte_tcp_hdr>(segment, layout.transport_at);
  tcp->sent_seq = rte_cpu_to_be_32(rte_be_to_cpu_32(tcp->sent_seq) + offset);
  if (!is_last) tcp->tcp_flags = static_cast<uint8_t>(tcp->tcp_flags & ~(kFin | kPsh));
  if (index != 0) tcp->tcp_flags = static_cast<uint8_t>(tcp->tcp_flags & ~kCwr);
  set_transport_checksum(segment);
}

}  // namespace

bool offloads_fit(const rte_mbuf& frame) noexcept {
  const Layout layout(frame);
  const bool ipv4 = (frame.ol_flags & kFrameIpv4) != 0;
  const bool ipv6 = (frame.ol_flags & kFrameIpv6) != 0;
  if (ipv4 == ipv6 || frame.l2_len < kEthernetHeaderBytes) return false;
  const uint32_t least = ipv4 ? sizeof(rte_ipv4_hdr) : sizeof(rte_ipv6_hdr);
  if (frame.l3_len < least || layout.payload_at > frame.data_len) return false;
  if (ipv4) {
    const auto* ip = rte_pktmbuf_mtod_offset(&frame, const rte_ipv4_hdr*, layout.ip_at);
    if (ip->version != 4 || rte_ipv4_hdr_len(ip) != frame.l3_len) return false;
  } else {
    const auto* ip = rte_pktmbuf_mtod_offset(&frame, const rte_ipv6_hdr*, layout.ip_at);
    if ((rte_be_to_cpu_32(ip->vtc_flow) >> 28) != 6) return false;
    if ((frame.ol_flags & kFrameIpChecksum) != 0) return false;
  }
  const uint64_t transport = frame.ol_flags & kFrameTransportMask;
  if (transport != 0 && transport != kFrameTcp && transport != kFrameUdp) return false;
  if ((frame.ol_flags & kFrameSegment) != 0 && transport == kFrameUdp) return false;
  const bool has_transport = transport != 0 || (frame.ol_flags & kFrameSegment) != 0;
  return !has_transport || transport_fits(frame, layout);
}

void complete_large_send(rte_mbuf& frame) noexcept {
  const Layout layout(frame);
  const uint32_t packet = frame.pkt_len - layout.ip_at;
  frame.ol_flags = (frame.ol_flags & ~kFrameTransportMask) | kFrameTcp;
  if ((frame.ol_flags & kFrameIpv4) != 0) {
    auto* ip = header_at<rte_ipv4_hdr>(frame, layout.ip_at);
    const uint16_t total = rte_cpu_to_be_16(static_cast<uint16_t>(std::min(packet, 0xFFFFU)));
    if (ip->total_length == total && ip->hdr_checksum != 0) return;
    ip->total_length = total;
    set_ipv4_checksum(*ip);
  } else {
    auto* ip = header_at<rte_ipv6_hdr>(frame, layout.ip_at);
    const uint32_t payload = packet - static_cast<uint32_t>(sizeof(*ip));
    ip->payload_len = rte_cpu_to_be_16(static_cast<uint16_t>(std::min(payload, 0xFFFFU)));
  }
}

void complete_checksums(rte_mbuf& frame) noexcept {
  if ((frame.ol_flags & kFrameIpChecksum) != 0)
    set_ipv4_checksum(*header_at<rte_ipv4_hdr>(frame, frame.l2_len));
  if ((frame.ol_flags & kFrameTransportMask) != 0) set_transport_checksum(frame);
  frame.ol_flags = (frame.ol_flags & ~kFrameDone) | kFrameChecksumGood;
}

uint32_t segment_count(const rte_mbuf& frame) noexcept {
  const uint32_t payload = frame.pkt_len - Layout(frame).payload_at;
  return std::max<uint32_t>(1, (payload + frame.tso_segsz - 1U) / frame.tso_segsz);
}

rte_mbuf* make_segment(const rte_mbuf& frame, uint32_t index, rte_mempool* pool) noexcept {
  const Layout layout(frame);
  const uint32_t offset = index * frame.tso_segsz;
  const uint32_t left = frame.pkt_len - layout.payload_at - offset;
  rte_mbuf* segment = rte_pktmbuf_alloc(pool);
  if (segment == nullptr) return nullptr;
  if (!append_bytes(*segment, frame, 0, layout.payload_at, pool) ||
      !append_bytes(*segment, frame, layout.payload_at + offset,
                    std::min<uint32_t>(left, frame.tso_segsz), pool)) {
    rte_pktmbuf_free(segment);
    return nullptr;
  }
  segment->ol_flags = (frame.ol_flags & ~kFrameOffloads) | kFrameTcp;
  segment->tx_offload = frame.tx_offload;
  segment->vlan_tci = frame.vlan_tci;
  segment->hash = frame.hash;
  segment->port = frame.port;
  fix_headers(*segment, index, offset, left <= frame.tso_segsz);
  segment->ol_flags = (segment->ol_flags & ~kFrameDone) | kFrameChecksumGood;
  return segment;
}

}  // namespace viridian::vswitch
