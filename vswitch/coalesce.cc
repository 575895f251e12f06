#include "vswitch/coalesce.h"

#include <netinet/in.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_tcp.h>

#include <array>
#include <cstddef>
#include <cstring>

#include "vswitch/offload.h"

namespace viridian::vswitch {
namespace {

constexpr uint8_t kAck = 0x10;
constexpr uint8_t kPush = 0x08;
constexpr uint32_t kMaxPacketBytes = 65535;  // the greatest length of an IP packet
constexpr size_t kMaxFlows = 8;              // that are joined at the same time in one burst

// A TCP segment: where its headers lie.
struct Segment {
  rte_mbuf* frame = nullptr;
  bool ipv6 = false;
  uint16_t transport_at = 0;
  uint16_t payload_at = 0;
  uint32_t packet_bytes = 0;  // as the IP header says

  template <class Header>
  Header* at(uint32_t offset) const noexcept {
    return rte_pktmbuf_mtod_offset(frame, Header*, offset);
  }
  rte_ipv4_hdr* ipv4_header() const noexcept { return at<rte_ipv4_hdr>(kEthernetHeaderBytes); }
  rte_ipv6_hdr* ipv6_header() const noexcept { return at<rte_ipv6_hdr>(kEthernetHeaderBytes); }
  rte_tcp_hdr* tcp() const noexcept { return at<rte_tcp_hdr>(transport_at); }
  uint32_t payload_bytes() const noexcept { return frame->pkt_len - payload_at; }
};

// The first segment of a large frame, and what the next one must be.
struct Flow {
  Segment first;
  rte_mbuf* last = nullptr;    // of the frame's parts
  uint32_t next_sequence = 0;  // host byte order
  uint16_t segment_bytes = 0;  // of payload
  uint16_t count = 0;
  bool closed = false;  // a short segment, or one with PSH, was the last
};

// The length of the IP header of a TCP segment without options, extensions and fragments; 0: it is
// something else. Sets the packet's length.
uint32_t ip_bytes(Segment& segment) noexcept {
  const rte_mbuf& frame = *segment.frame;
  if (segment.ipv6) {
    const rte_ipv6_hdr& ip = *segment.ipv6_header();
    segment.packet_bytes = rte_be_to_cpu_16(ip.payload_len) + uint32_t{sizeof(ip)};
    const bool plain = (rte_be_to_cpu_32(ip.vtc_flow) >> 28) == 6 && ip.proto == IPPROTO_TCP;
    return plain ? sizeof(ip) : 0;
  }
  const rte_ipv4_hdr& ip = *segment.ipv4_header();
  constexpr uint16_t kFragment = RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK;
  segment.packet_bytes = rte_be_to_cpu_16(ip.total_length);
  const bool plain = ip.version_ihl == RTE_IPV4_VHL_DEF && ip.next_proto_id == IPPROTO_TCP &&
                     (rte_be_to_cpu_16(ip.fragment_offset) & kFragment) == 0;
  if (!plain) return 0;
  const bool summed = (frame.ol_flags & kFrameIpChecksum) != 0;
  const bool good = rte_raw_cksum(&ip, sizeof(ip)) == 0xFFFF && ip.hdr_checksum != 0xFFFF;
  return summed || good ? sizeof(ip) : 0;
}

// Where the headers of a TCP segment lie. False: it is something else, or not all there.
bool parse(rte_mbuf& frame, Segment& segment) noexcept {
  if (frame.data_len < kEthernetHeaderBytes) return false;
  segment.frame = &frame;
  const auto type = *segment.at<const uint16_t>(2 * RTE_ETHER_ADDR_LEN);
  segment.ipv6 = type == RTE_BE16(RTE_ETHER_TYPE_IPV6);
  if (!segment.ipv6 && type != RTE_BE16(RTE_ETHER_TYPE_IPV4)) return false;
  const size_t ip = segment.ipv6 ? sizeof(rte_ipv6_hdr) : sizeof(rte_ipv4_hdr);
  if (frame.data_len < kEthernetHeaderBytes + ip + sizeof(rte_tcp_hdr)) return false;
  if (ip_bytes(segment) == 0) return false;
  segment.transport_at = static_cast<uint16_t>(kEthernetHeaderBytes + ip);
  const uint32_t length = (segment.tcp()->data_off >> 4) * 4U;
  segment.payload_at = static_cast<uint16_t>(segment.transport_at + length);
  return length >= sizeof(rte_tcp_hdr) && segment.payload_at <= frame.data_len;
}

// Data alone, in a frame that nobody else looks at and that is no large one already.
bool is_joinable(const Segment& segment) noexcept {
  const rte_mbuf& frame = *segment.frame;
  return segment.packet_bytes + kEthernetHeaderBytes == frame.pkt_len &&
         segment.payload_at < frame.pkt_len && (segment.tcp()->tcp_flags & ~kPush) == kAck &&
         segment.tcp()->cksum != 0xFFFF &&  // right in another way than anybody writes it
         (frame.ol_flags & kFrameSegment) == 0 && rte_mbuf_refcnt_read(&frame) == 1;
}

uint16_t pseudo_sum(const Segment& segment) noexcept {
  return segment.ipv6 ? rte_ipv6_phdr_cksum(segment.ipv6_header(), 0)
                      : rte_ipv4_phdr_cksum(segment.ipv4_header(), 0);
}

// A wrong checksum must stay wrong.
bool checksum_is_good(const Segment& segment) noexcept {
  const rte_mbuf& frame = *segment.frame;
  if ((frame.ol_flags & kFrameChecksumGood) != 0) return true;
  if ((frame.ol_flags & kFrameTransportMask) == kFrameTcp) return offloads_fit(frame);
  uint16_t sum = 0;
  const uint32_t bytes = segment.packet_bytes + kEthernetHeaderBytes - segment.transport_at;
  if (rte_raw_cksum_mbuf(&frame, segment.transport_at, bytes, &sum) != 0) return false;
  uint32_t total = sum;
  total += pseudo_sum(segment);
  total = (total & 0xFFFF) + (total >> 16);
  return total == 0xFFFF;
}

bool same_connection(const Segment& a, const Segment& b) noexcept {
  if (a.ipv6 != b.ipv6 || a.transport_at != b.transport_at) return false;
  const size_t addresses =
      a.ipv6 ? offsetof(rte_ipv6_hdr, src_addr) : offsetof(rte_ipv4_hdr, src_addr);
  const auto from = static_cast<uint32_t>(kEthernetHeaderBytes + addresses);
  constexpr size_t kPorts = 4;  // lie behind the addresses
  return std::memcmp(a.at<std::byte>(from), b.at<std::byte>(from),
                     a.transport_at + kPorts - from) == 0;
}

// All that a segment made of the large frame would have the same, whatever its number.
bool same_headers(const Flow& flow, const Segment& next) noexcept {
  const Segment& first = flow.first;
  if (((first.frame->ol_flags ^ next.frame->ol_flags) & kFrameVlan) != 0 ||
      ((next.frame->ol_flags & kFrameVlan) != 0 && first.frame->vlan_tci != next.frame->vlan_tci) ||
      first.payload_at != next.payload_at ||
      std::memcmp(first.at<std::byte>(0), next.at<std::byte>(0), kEthernetHeaderBytes) != 0)
    return false;
  if (first.ipv6) {
    const rte_ipv6_hdr& a = *first.ipv6_header();
    const rte_ipv6_hdr& b = *next.ipv6_header();
    if (a.vtc_flow != b.vtc_flow || a.hop_limits != b.hop_limits) return false;
  } else {
    const rte_ipv4_hdr& a = *first.ipv4_header();
    const rte_ipv4_hdr& b = *next.ipv4_header();
    const auto id = static_cast<uint16_t>(rte_be_to_cpu_16(a.packet_id) + flow.count);
    if (a.type_of_service != b.type_of_service || a.time_to_live != b.time_to_live ||
        a.fragment_offset != b.fragment_offset || rte_be_to_cpu_16(b.packet_id) != id)
      return false;
  }
  const rte_tcp_hdr& a = *first.tcp();
  const rte_tcp_hdr& b = *next.tcp();
  const uint32_t options = first.payload_at - first.transport_at - uint32_t{sizeof(rte_tcp_hdr)};
  return a.recv_ack == b.recv_ack && a.data_off == b.data_off && a.rx_win == b.rx_win &&
         a.tcp_urp == b.tcp_urp && std::memcmp(&a + 1, &b + 1, options) == 0;
}

bool continues(const Flow& flow, const Segment& next) noexcept {
  const rte_mbuf& whole = *flow.first.frame;
  return !flow.closed && rte_be_to_cpu_32(next.tcp()->sent_seq) == flow.next_sequence &&
         next.payload_bytes() <= flow.segment_bytes &&
         whole.pkt_len - kEthernetHeaderBytes + next.payload_bytes() <= kMaxPacketBytes &&
         whole.nb_segs + next.frame->nb_segs <= kMaxCoalescedParts && same_headers(flow, next) &&
         checksum_is_good(next);
}

void note_last(Flow& flow, const Segment& segment, uint32_t payload) noexcept {
  flow.last = rte_pktmbuf_lastseg(segment.frame);
  flow.next_sequence = rte_be_to_cpu_32(segment.tcp()->sent_seq) + payload;
  flow.closed = payload < flow.segment_bytes || (segment.tcp()->tcp_flags & kPush) != 0;
  ++flow.count;
}

// The payload of `next` becomes the end of the flow's frame; its headers go.
void join(Flow& flow, const Segment& next) noexcept {
  rte_mbuf& whole = *flow.first.frame;
  rte_mbuf* before = flow.last;
  const uint32_t payload = next.payload_bytes();
  flow.first.tcp()->tcp_flags |= next.tcp()->tcp_flags;
  note_last(flow, next, payload);
  rte_mbuf* rest = next.frame;
  auto parts = rest->nb_segs;
  if (rest->data_len == next.payload_at) {
    rest = next.frame->next;
    --parts;
    rte_pktmbuf_free_seg(next.frame);
  } else {
    rte_pktmbuf_adj(rest, next.payload_at);
  }
  before->next = rest;
  whole.nb_segs = static_cast<uint16_t>(whole.nb_segs + parts);
  whole.pkt_len += payload;
}

// The headers of a frame that was joined: those of a large send (frame.h).
void seal(const Flow& flow) noexcept {
  if (flow.count < 2) return;
  const Segment& first = flow.first;
  rte_mbuf& frame = *first.frame;
  frame.ol_flags &= ~(kFrameChecksumGood | kFrameTransportMask);
  frame.ol_flags |= kFrameSegment | kFrameTcp | (first.ipv6 ? kFrameIpv6 : kFrameIpv4);
  if (!first.ipv6) frame.ol_flags |= kFrameIpChecksum;
  frame.l2_len = kEthernetHeaderBytes;
  frame.l3_len = (first.transport_at - kEthernetHeaderBytes) & 0x1FF;
  frame.l4_len = (first.payload_at - first.transport_at) & 0xFF;
  frame.tso_segsz = flow.segment_bytes;
  complete_large_send(frame);
  first.tcp()->cksum = pseudo_sum(first);
}

// The flows of one burst whose frames may still grow.
class Flows {
 public:
  ~Flows() {
    for (size_t i = 0; i < count_; ++i)
      seal(flows_[i]);
  }

  // True: the segment is part of an earlier frame now. Else nothing that comes later passes it.
  bool take(const Segment& segment) noexcept {
    size_t i = 0;
    while (i < count_ && !same_connection(flows_[i].first, segment))
      ++i;
    const bool known = i < count_;
    if (!is_joinable(segment)) {
      if (known) flows_[i].closed = true;
      return false;
    }
    if (known && continues(flows_[i], segment)) {
      join(flows_[i], segment);
      return true;
    }
    if (!known && count_ == kMaxFlows) i = next_victim_++ % kMaxFlows;
    if (i < count_) {
      seal(flows_[i]);
    } else {
      ++count_;
    }
    begin(flows_[i], segment);
    return false;
  }

 private:
  static void begin(Flow& flow, const Segment& segment) noexcept {
    const uint32_t payload = segment.payload_bytes();
    flow = {.first = segment};
    flow.segment_bytes = static_cast<uint16_t>(payload);
    note_last(flow, segment, payload);
    flow.closed |= !checksum_is_good(segment);
  }

  std::array<Flow, kMaxFlows> flows_;
  size_t count_ = 0;
  size_t next_victim_ = 0;
};

}  // namespace

uint16_t coalesce(std::span<rte_mbuf*> frames) noexcept {
  Flows flows;
  uint16_t kept = 0;
  for (rte_mbuf* frame : frames) {
    Segment segment;
    if (!parse(*frame, segment) || !flows.take(segment)) frames[kept++] = frame;
  }
  return kept;
}

}  // namespace viridian::vswitch
