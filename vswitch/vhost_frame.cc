#include "vswitch/vhost_frame.h"

#include <rte_ip.h>
#include <rte_net.h>

#include <cstring>

#include "vswitch/vlan_tag.h"

namespace viridian::vswitch {
namespace {

constexpr uint16_t kAddressBytes = 12;

// Its value does not depend on who asks, so others that have the frame may see it change.
void complete_ip_checksum(rte_mbuf& frame) noexcept {
  auto* ip = rte_pktmbuf_mtod_offset(&frame, rte_ipv4_hdr*, frame.l2_len);
  ip->hdr_checksum = 0;
  ip->hdr_checksum = rte_ipv4_cksum(ip);
}

}  // namespace

void take_vhost_offloads(rte_mbuf& frame) noexcept {
  const uint64_t said = frame.ol_flags;
  frame.ol_flags = 0;
  const bool large = (said & RTE_MBUF_F_RX_LRO) != 0;
  const bool unsummed = (said & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_NONE;
  if (!large && !unsummed) return;
  rte_net_hdr_lens lengths = {};
  const uint32_t type = rte_net_get_ptype(
      &frame, &lengths, RTE_PTYPE_L2_MASK | RTE_PTYPE_L3_MASK | RTE_PTYPE_L4_MASK);
  const bool tcp = (type & RTE_PTYPE_L4_MASK) == RTE_PTYPE_L4_TCP;
  const bool ipv4 = RTE_ETH_IS_IPV4_HDR(type) != 0;
  frame.l2_len = lengths.l2_len & 0x7F;
  frame.l3_len = lengths.l3_len & 0x1FF;
  frame.l4_len = lengths.l4_len;
  frame.ol_flags = (ipv4 ? kFrameIpv4 : kFrameIpv6) | (tcp ? kFrameTcp : kFrameUdp);
  if (large) frame.ol_flags |= kFrameSegment | (ipv4 ? kFrameIpChecksum : 0);
}

rte_mbuf* add_vhost_head(rte_mbuf& frame, rte_mempool* pool) noexcept {
  rte_mbuf* head = rte_pktmbuf_alloc(pool);
  if (head == nullptr) return nullptr;
  if ((frame.ol_flags & kFrameIpChecksum) != 0) complete_ip_checksum(frame);
  const bool tagged = has_tag(frame);
  const uint16_t tag_bytes = tagged ? sizeof(VlanTag) : 0;
  auto* data = rte_pktmbuf_mtod(head, uint8_t*);
  std::memcpy(data, rte_pktmbuf_mtod(&frame, const uint8_t*), kAddressBytes);
  if (tagged) {
    VlanTag tag;
    tag.type = kTagType;
    tag.control = frame.vlan_tci;
    std::memcpy(data + kAddressBytes, &tag, sizeof(tag));
  }
  head->data_len = static_cast<uint16_t>(kAddressBytes + tag_bytes);
  head->pkt_len = frame.pkt_len + tag_bytes;
  head->nb_segs = static_cast<uint16_t>(frame.nb_segs + 1);
  head->ol_flags = frame.ol_flags & ~(kFrameVlan | kFrameIpChecksum);
  head->tx_offload = frame.tx_offload;
  if (frame.l2_len != 0) head->l2_len = (frame.l2_len + tag_bytes) & 0x7F;
  frame.data_off = static_cast<uint16_t>(frame.data_off + kAddressBytes);
  frame.data_len = static_cast<uint16_t>(frame.data_len - kAddressBytes);
  head->next = &frame;
  return head;
}

void drop_vhost_head(rte_mbuf& head) noexcept {
  rte_mbuf& frame = *head.next;
  frame.data_off = static_cast<uint16_t>(frame.data_off - kAddressBytes);
  frame.data_len = static_cast<uint16_t>(frame.data_len + kAddressBytes);
  head.next = nullptr;
  head.nb_segs = 1;
  rte_pktmbuf_free(&head);
}

}  // namespace viridian::vswitch
