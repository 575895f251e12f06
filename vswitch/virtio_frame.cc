#include "vswitch/virtio_frame.h"

#include <rte_ether.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include <algorithm>
#include <cstddef>

namespace viridian::vswitch {
namespace {

constexpr uint32_t kSpareSegments = (kMaxFrameBytes + 2047) / 2048;
constexpr size_t kAddressBytes = 12;

}  // namespace

bool take_virtio_header(const VirtioHeader& header, rte_mbuf& frame) noexcept {
  if ((header.flags & virtio_flag::kDataValid) != 0) frame.ol_flags |= kFrameChecksumGood;
  if ((header.flags & virtio_flag::kNeedsChecksum) == 0) {
    return header.segment_type == virtio_segment::kNone;
  }
  const auto* ethernet = rte_pktmbuf_mtod(&frame, const rte_ether_hdr*);
  const bool ipv6 = ethernet->ether_type == RTE_BE16(RTE_ETHER_TYPE_IPV6);
  if (!ipv6 && ethernet->ether_type != RTE_BE16(RTE_ETHER_TYPE_IPV4)) return false;
  const uint32_t transport = header.checksum_start;
  const bool tcp = header.checksum_offset.get() == offsetof(rte_tcp_hdr, cksum);
  if (!tcp && header.checksum_offset.get() != offsetof(rte_udp_hdr, dgram_cksum)) return false;
  const uint32_t length = tcp ? sizeof(rte_tcp_hdr) : sizeof(rte_udp_hdr);
  if (transport < kEthernetHeaderBytes || transport + length > frame.data_len) return false;
  frame.l2_len = kEthernetHeaderBytes;
  frame.l3_len = (transport - kEthernetHeaderBytes) & 0x1FF;
  frame.l4_len = length & 0xFF;
  frame.ol_flags |= (ipv6 ? kFrameIpv6 : kFrameIpv4) | (tcp ? kFrameTcp : kFrameUdp);
  if (tcp) {
    const auto* header_of_tcp = rte_pktmbuf_mtod_offset(&frame, const rte_tcp_hdr*, transport);
    frame.l4_len = (header_of_tcp->data_off >> 2) & 0x3C;
  }
  if (header.segment_type == virtio_segment::kNone) return true;
  const uint8_t type = header.segment_type & static_cast<uint8_t>(~virtio_segment::kEcn);
  if (type != (ipv6 ? virtio_segment::kTcpIpv6 : virtio_segment::kTcpIpv4)) return false;
  if (!tcp || header.segment_bytes.get() == 0) return false;
  frame.tso_segsz = header.segment_bytes;
  frame.ol_flags |= kFrameSegment | (ipv6 ? 0 : kFrameIpChecksum);
  return true;
}

VirtioHeader make_virtio_header(const rte_mbuf& frame, uint32_t tag_bytes) noexcept {
  VirtioHeader header = {};
  const uint64_t transport = frame.ol_flags & kFrameTransportMask;
  const bool segment = (frame.ol_flags & kFrameSegment) != 0;
  if (transport == 0 && !segment) {
    if ((frame.ol_flags & kFrameChecksumGood) != 0) header.flags = virtio_flag::kDataValid;
    return header;
  }
  const uint32_t start = tag_bytes + frame.l2_len + frame.l3_len;
  header.flags = virtio_flag::kNeedsChecksum;
  header.checksum_start = static_cast<uint16_t>(start);
  header.checksum_offset =
      transport == kFrameUdp ? offsetof(rte_udp_hdr, dgram_cksum) : offsetof(rte_tcp_hdr, cksum);
  if (segment) {
    const bool ipv6 = (frame.ol_flags & kFrameIpv6) != 0;
    header.segment_type = ipv6 ? virtio_segment::kTcpIpv6 : virtio_segment::kTcpIpv4;
    header.segment_bytes = frame.tso_segsz;
    header.header_bytes = static_cast<uint16_t>(start + frame.l4_len);
  }
  return header;
}

FrameRoom::FrameRoom(rte_mempool* pool) : pool_(pool), parts_(kSpareSegments + 1) {
  spare_.reserve(kSpareSegments);
  parts_[0] = {&header_, sizeof(header_)};
}

FrameRoom::~FrameRoom() {
  for (rte_mbuf* segment : spare_)
    rte_pktmbuf_free_seg(segment);
}

bool FrameRoom::refill() noexcept {
  while (spare_.size() < kSpareSegments) {
    rte_mbuf* segment = rte_pktmbuf_alloc(pool_);
    if (segment == nullptr) return false;
    spare_.push_back(segment);
    parts_[spare_.size()] = {rte_pktmbuf_mtod(segment, void*), rte_pktmbuf_tailroom(segment)};
  }
  return true;
}

rte_mbuf* FrameRoom::take(size_t bytes) noexcept {
  if (bytes <= sizeof(header_)) return nullptr;
  auto left = static_cast<uint32_t>(bytes - sizeof(header_));
  rte_mbuf* frame = spare_[0];
  frame->pkt_len = left;
  uint32_t used = 0;
  for (rte_mbuf* last = nullptr; left > 0; last = spare_[used++]) {
    rte_mbuf* segment = spare_[used];
    segment->data_len = std::min<uint16_t>(rte_pktmbuf_tailroom(segment),
                                           static_cast<uint16_t>(std::min(left, 0xFFFFu)));
    left -= segment->data_len;
    if (last != nullptr) last->next = segment;
  }
  frame->nb_segs = static_cast<uint16_t>(used);
  spare_.erase(spare_.begin(), spare_.begin() + used);
  for (size_t i = 0; i < spare_.size(); ++i)
    parts_[i + 1] = {rte_pktmbuf_mtod(spare_[i], void*), rte_pktmbuf_tailroom(spare_[i])};
  if (frame->data_len >= kEthernetHeaderBytes && take_virtio_header(header_, *frame)) return frame;
  rte_pktmbuf_free(frame);
  return nullptr;
}

bool FramePieces::set(const rte_mbuf& frame) noexcept {
  if (frame.nb_segs > kMaxSegments) return false;
  const bool tagged = has_tag(frame);
  header_ = make_virtio_header(frame, tagged ? sizeof(VlanTag) : 0);
  count_ = 0;
  parts_[count_++] = {&header_, sizeof(header_)};
  auto* data = rte_pktmbuf_mtod(&frame, std::byte*);
  if (tagged) {
    tag_.type = kTagType;
    tag_.control = frame.vlan_tci;
    parts_[count_++] = {data, kAddressBytes};
    parts_[count_++] = {&tag_, sizeof(tag_)};
    parts_[count_++] = {data + kAddressBytes, frame.data_len - kAddressBytes};
  } else {
    parts_[count_++] = {data, frame.data_len};
  }
  for (const rte_mbuf* segment = frame.next; segment != nullptr; segment = segment->next)
    parts_[count_++] = {rte_pktmbuf_mtod(segment, std::byte*), segment->data_len};
  return true;
}

}  // namespace viridian::vswitch
