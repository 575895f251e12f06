// The first phase of the data path: which frames of a burst may come in, and what their keys are.

#include <rte_mbuf.h>
#include <rte_prefetch.h>

#include <cstring>

#include "vswitch/offload.h"
#include "vswitch/virtual_switch.h"
#include "vswitch/vlan_tag.h"

namespace viridian::vswitch {
namespace {

constexpr uint64_t kAddressMask = 0xFFFF'FFFF'FFFF;
constexpr uint64_t kMulticastBit = 1;  // of the first byte, which is the lowest of the word
constexpr uint16_t kPrefetchAhead = 8;

const uint8_t* data_of(const rte_mbuf* frame) noexcept {
  return rte_pktmbuf_mtod(frame, const uint8_t*);
}

// Two words hold all of an Ethernet header: six bytes and the start of the next six, these six and
// the type.
struct Header {
  explicit Header(const uint8_t* data) noexcept {
    std::memcpy(&first, data, sizeof(first));
    std::memcpy(&second, data + 6, sizeof(second));
  }
  uint64_t destination() const noexcept { return first & kAddressMask; }
  uint64_t source() const noexcept { return second & kAddressMask; }
  uint16_t type() const noexcept { return static_cast<uint16_t>(second >> 48); }

  uint64_t first;
  uint64_t second;
};

bool is_station(uint64_t address) noexcept {
  return address != 0 && (address & kMulticastBit) == 0;
}

}  // namespace

// Those that ask for more than the Ethernet header and the tag.
inline DropReason VirtualSwitch::judge_sender(PortState& in, uint64_t source,
                                              std::span<const uint8_t> headers) noexcept {
  if ((in.ingress & kInDown) != 0) return DropReason::kPortDown;
  if ((in.ingress & kInMacGuard) != 0 && source != in.mac_bits) {
    in.last_refused_mac = source;
    return DropReason::kMacGuard;
  }
  if ((in.ingress & kInPacket) == 0) return DropReason::kNone;
  return in.verdicts_in.of(headers, [&] { return judge_packet(in, headers); });
}

// Keeps the frames that may come in, in order.
uint16_t VirtualSwitch::admit(PortState& in, uint16_t count) noexcept {
  for (uint16_t i = 0; i < count && i < kPrefetchAhead; ++i)
    rte_prefetch0(data_of(burst_.frames[i]));
  uint16_t admitted = 0;
  uint64_t bytes = 0;
  uint64_t last_source = 0;
  uint64_t last_destination = 0;
  uint64_t source_hash = macs_.prefetch(0);
  uint64_t destination_hash = source_hash;
  for (uint16_t i = 0; i < count; ++i) {
    if (i + kPrefetchAhead < count) rte_prefetch0(data_of(burst_.frames[i + kPrefetchAhead]));
    rte_mbuf& frame = *burst_.frames[i];
    bytes += frame.pkt_len;
    if (frame.data_len < kEthernetHeaderBytes) [[unlikely]] {
      drop(in, frame, DropReason::kRunt);
      continue;
    }
    const Header header(data_of(&frame));
    uint16_t group = in.ingress_group;
    const bool special = (frame.ol_flags & kFrameNeedsLook) != 0 ||
                         header.type() == kTagTypeInFrame || !is_station(header.source()) ||
                         frame.pkt_len > kMaxFrameBytes;
    if (special) [[unlikely]] {
      const DropReason reason = admit_special(in, frame, header.type(), group);
      if (reason != DropReason::kNone) {
        drop(in, frame, reason);
        continue;
      }
    } else {
      if (in.ingress != 0) {
        const DropReason reason =
            judge_sender(in, header.source(), {data_of(&frame), frame.data_len});
        if (reason != DropReason::kNone) [[unlikely]] {
          drop(in, frame, reason);
          continue;
        }
      }
      frame.vlan_tci = in.ingress_vlan;
    }
    burst_.frames[admitted] = &frame;
    // Neighbours in a burst often have the same addresses.
    const uint64_t source = mac_key(header.source(), group);
    const uint64_t destination = mac_key(header.destination(), group);
    if (source != last_source) source_hash = macs_.prefetch(source);
    if (destination != last_destination) destination_hash = macs_.prefetch(destination);
    burst_.sources[admitted] = last_source = source;
    burst_.destinations[admitted] = last_destination = destination;
    burst_.source_hashes[admitted] = source_hash;
    burst_.destination_hashes[admitted] = destination_hash;
    ++admitted;
  }
  in.counters.rx_frames.add(count);
  in.counters.rx_bytes.add(bytes);
  if ((in.turn & kWeighted) != 0) in.credit_bytes -= static_cast<int64_t>(bytes);
  if ((in.turn & kLimited) != 0) in.bucket.take(bytes, now_ns_);
  return admitted;
}

// A frame that is more than two addresses: a tag, an offload, or something of the port to look at.
DropReason VirtualSwitch::admit_special(PortState& in, rte_mbuf& frame, uint16_t ethertype,
                                        uint16_t& group) noexcept {
  if ((in.ingress & kInDown) == 0 && ethertype == kTagTypeInFrame && !has_tag(frame) &&
      !take_tag(frame))
    return DropReason::kRunt;
  if ((frame.ol_flags & kFrameOffloads) != 0) {
    if (!offloads_fit(frame)) return DropReason::kBadOffload;
    if ((frame.ol_flags & kFrameSegment) != 0) complete_large_send(frame);
  }
  const uint16_t vlan = vlan_of(frame);
  const DropReason reason = judge_ingress(in, {.headers = {data_of(&frame), frame.data_len},
                                               .frame_bytes = frame.pkt_len,
                                               .packet_bytes = 0,
                                               .source = Header(data_of(&frame)).source(),
                                               .tag_vlan = vlan});
  if (reason != DropReason::kNone) return reason;
  if (vlan != 0) {
    group = group_of_[vlan];
  } else {
    const auto priority = has_tag(frame) ? frame.vlan_tci & kTagPriorityMask : 0;
    frame.vlan_tci = static_cast<uint16_t>(priority | in.ingress_vlan);
  }
  return DropReason::kNone;
}

// The rules of the port, in the order in which they name the reason.
DropReason VirtualSwitch::judge_ingress(PortState& in, const View& view) noexcept {
  if ((in.ingress & kInDown) != 0) return DropReason::kPortDown;
  if (view.frame_bytes > kMaxFrameBytes) return DropReason::kTooLong;
  if (!is_station(view.source)) return DropReason::kBadSource;
  if (view.tag_vlan != 0 && !in.vlan.tagged_in[view.tag_vlan]) return DropReason::kVlan;
  return judge_sender(in, view.source, view.headers);
}

DropReason VirtualSwitch::judge_packet(PortState& in, std::span<const uint8_t> headers) noexcept {
  const Packet packet = parse_packet(headers);
  if ((in.ingress & kInDhcpGuard) != 0 && is_from_dhcp_server(packet))
    return DropReason::kDhcpGuard;
  if ((in.ingress & kInRouterGuard) != 0 && is_from_router(packet)) return DropReason::kRouterGuard;
  if ((in.ingress & kInAcl) != 0 && in.acl_in.judge(packet) == AclAction::kDeny)
    return DropReason::kAcl;
  return DropReason::kNone;
}

}  // namespace viridian::vswitch
