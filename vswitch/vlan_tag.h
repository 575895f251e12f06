// The 802.1Q tag of a frame: beside it in the switch, in it on a wire (IEEE 802.1Q, clause 9.6).
#pragma once

#include <rte_mbuf.h>

#include <cstring>

#include "base/endian.h"
#include "vswitch/frame.h"

namespace viridian::vswitch {

struct VlanTag {
  be16 type;     // 0x8100
  be16 control;  // priority in bits 15 to 12, VLAN id in bits 11 to 0
};
static_assert(WireStruct<VlanTag> && sizeof(VlanTag) == 4);

constexpr uint16_t kTagType = 0x8100;
constexpr uint16_t kTagTypeInFrame = 0x0081;  // its two bytes, read as they lie on this machine
constexpr uint16_t kTagVlanMask = 0x0FFF;
constexpr uint16_t kTagPriorityMask = 0xF000;
static_assert(std::endian::native == std::endian::little);

inline bool has_tag(const rte_mbuf& frame) noexcept {
  return (frame.ol_flags & kFrameVlan) == kFrameVlan;
}

// Takes the tag that a frame has in its data out and puts it beside. False: it is cut short. The
// frame must be nobody else's.
inline bool take_tag(rte_mbuf& frame) noexcept {
  constexpr size_t kAddressBytes = 12;
  if (frame.data_len < kEthernetHeaderBytes + sizeof(VlanTag)) return false;
  auto* data = rte_pktmbuf_mtod(&frame, uint8_t*);
  VlanTag tag;
  std::memcpy(&tag, data + kAddressBytes, sizeof(tag));
  std::memmove(data + sizeof(tag), data, kAddressBytes);
  rte_pktmbuf_adj(&frame, sizeof(tag));
  if (frame.l2_len >= kEthernetHeaderBytes + sizeof(tag))
    frame.l2_len = (frame.l2_len - sizeof(tag)) & 0x7F;
  frame.vlan_tci = tag.control.get();
  frame.ol_flags |= kFrameVlan;
  return true;
}

}  // namespace viridian::vswitch
