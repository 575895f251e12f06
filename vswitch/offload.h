// What a network card would do to a frame before the wire, for ports that cannot: transport and
// IPv4 checksums, and cutting a large TCP frame into segments (RFC 9293; RFC 3168 for CWR).
//
// A segment is a copy of headers and payload into frames of the switch's own: the payload may be a
// guest's memory that changes meanwhile, and the checksum is of what was copied.
#pragma once

#include <cstdint>

#include "vswitch/frame.h"

struct rte_mempool;

namespace viridian::vswitch {

constexpr uint64_t kFrameOffloads = kFrameIpChecksum | kFrameTransportMask | kFrameSegment;

// More segments from one frame than this, and it is not cut: a guest chooses the size.
constexpr uint32_t kMaxSegments = 256;

// Whether the offloads that a frame asks for fit its headers: all that the functions below rely on.
bool offloads_fit(const rte_mbuf& frame) noexcept;

// Sets the length and checksum of the IP header of a frame that is to be cut: some guests leave
// them zero (NDIS large send). For a frame that offloads_fit(); its headers must not be shared.
void complete_large_send(rte_mbuf& frame) noexcept;

// Works the checksums off. For a frame that fits, is not to be cut, and whose headers are not
// shared.
void complete_checksums(rte_mbuf& frame) noexcept;

// For a frame that fits and has kFrameSegment: how many segments it makes (1 at least), and one of
// them, complete. Null: the pool is empty.
uint32_t segment_count(const rte_mbuf& frame) noexcept;
rte_mbuf* make_segment(const rte_mbuf& frame, uint32_t index, rte_mempool* pool) noexcept;

// Bytes of an IP packet that the frame puts on a wire at most: what the MTU limits.
inline uint32_t packet_bytes_on_wire(const rte_mbuf& frame) noexcept {
  if ((frame.ol_flags & kFrameSegment) == 0) return frame.pkt_len - kEthernetHeaderBytes;
  const auto most =
      static_cast<uint32_t>(frame.l2_len + frame.l3_len + frame.l4_len + frame.tso_segsz);
  return (most < frame.pkt_len ? most : frame.pkt_len) - kEthernetHeaderBytes;
}

}  // namespace viridian::vswitch
