// The frames that the switch moves: rte_mbuf, with these meanings between receive() and transmit().
//
// - The data is one Ethernet frame without a VLAN tag and without FCS. Its headers, up to and with
//   the transport header, are in the first segment and are the switch's own copy: what was judged
//   is what is sent on. The payload may be memory of a guest, which changes it as it likes.
// - A VLAN tag is in vlan_tci, and kFrameVlan says so.
// - What must still be done before a wire is said as for transmission by an Ethernet device:
//   kFrameNeedsChecksum (with kFrameIpv4 or kFrameIpv6, and kFrameTcp or kFrameUdp) means that the
//   transport checksum field holds the sum of the pseudo header, of which the length is that of all
//   behind the IP header, also in a large frame; kFrameSegment that the frame is to be cut into
//   segments of tso_segsz bytes of payload. l2_len, l3_len and l4_len are then set.
// - kFrameChecksumGood: the transport checksum was verified, or needs no verification since the
//   frame never left memory.
// - hash.rss is the hash of the flow, if kFrameHash is set.
#pragma once

#include <rte_mbuf.h>

#include <cstdint>

namespace viridian::vswitch {

constexpr uint64_t kFrameVlan = RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
constexpr uint64_t kFrameHash = RTE_MBUF_F_RX_RSS_HASH;
constexpr uint64_t kFrameChecksumGood = RTE_MBUF_F_RX_L4_CKSUM_GOOD;

constexpr uint64_t kFrameIpv4 = RTE_MBUF_F_TX_IPV4;
constexpr uint64_t kFrameIpv6 = RTE_MBUF_F_TX_IPV6;
constexpr uint64_t kFrameIpChecksum = RTE_MBUF_F_TX_IP_CKSUM;
constexpr uint64_t kFrameTcp = RTE_MBUF_F_TX_TCP_CKSUM;
constexpr uint64_t kFrameUdp = RTE_MBUF_F_TX_UDP_CKSUM;
static_assert((kFrameUdp & ~kFrameTcp) != 0);  // a bit that says "not TCP"
constexpr uint64_t kFrameTransportMask = RTE_MBUF_F_TX_L4_MASK;
constexpr uint64_t kFrameSegment = RTE_MBUF_F_TX_TCP_SEG;
// Any of these, and there is more to a frame than its bytes.
constexpr uint64_t kFrameNeedsLook =
    kFrameVlan | kFrameIpChecksum | kFrameTransportMask | kFrameSegment;

constexpr uint16_t kBurst = 64;             // frames in one receive() or transmit(), at most
constexpr uint32_t kMaxFrameBytes = 65550;  // 64 KiB of IP packet and its Ethernet header
constexpr uint16_t kEthernetHeaderBytes = 14;
constexpr uint16_t kMinFrameBytes = 60;  // on a wire, without FCS
constexpr uint16_t kMaxMtu = 9216;
// Of a pool's usual segment: a full Ethernet frame, and room before it for what a port prepends.
constexpr uint16_t kFrameRoomBytes = RTE_MBUF_DEFAULT_BUF_SIZE;

// The VLAN id of a frame; 0: untagged, or tagged with a priority alone.
inline uint16_t vlan_of(const rte_mbuf& frame) noexcept {
  return (frame.ol_flags & kFrameVlan) == kFrameVlan ? frame.vlan_tci & 0xFFF : uint16_t{0};
}

}  // namespace viridian::vswitch
