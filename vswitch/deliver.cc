// The last phase of the data path: who gets a frame, with or without a copy for a mirror, and what
// must be done in software first because a receiver's card cannot.

#include <rte_mbuf.h>

#include <algorithm>

#include "vswitch/offload.h"
#include "vswitch/virtual_switch.h"
#include "vswitch/vlan_tag.h"

namespace viridian::vswitch {
namespace {

constexpr uint64_t kBroadcastAddress = 0xFFFF'FFFF'FFFF;
constexpr uint64_t kMulticastBit = 1;

uint16_t vlan_in(const rte_mbuf& frame) noexcept { return frame.vlan_tci & kTagVlanMask; }

}  // namespace

void VirtualSwitch::count_drop(PortState& at, const rte_mbuf& frame, DropReason reason) noexcept {
  at.counters.dropped(reason).add();
  if (!at.captured) return;
  for (Capture* one : captures_) {
    if (one != nullptr) one->see(at.id, CaptureEvent::kDropped, reason, frame);
  }
}

void VirtualSwitch::drop(PortState& at, rte_mbuf& frame, DropReason reason) noexcept {
  count_drop(at, frame, reason);
  rte_pktmbuf_free(&frame);
}

void VirtualSwitch::show(const PortState& at, std::span<rte_mbuf* const> frames, CaptureEvent event,
                         DropReason reason) noexcept {
  for (Capture* one : captures_) {
    if (one == nullptr) continue;
    for (const rte_mbuf* frame : frames)
      one->see(at.id, event, reason, *frame);
  }
}

// What a port can may change at any time: a guest's driver comes, and agrees on its offloads. It is
// asked once in each round that has frames for it.
void VirtualSwitch::refresh(PortState& out) noexcept {
  if (out.touched) return;
  const PortFeatures now = out.port->features();
  const PortFeatures& known = out.features;
  if (now.checksum != known.checksum || now.segmentation != known.segmentation ||
      now.mtu != known.mtu) [[unlikely]]
    set_capabilities(out, now);
}

void VirtualSwitch::send_to_one(PortState& in, PortState& out, rte_mbuf& frame) noexcept {
  if (!out.is_in(vlan_in(frame))) [[unlikely]] {
    drop(in, frame, DropReason::kVlanOut);
    return;
  }
  refresh(out);
  if (out.egress == 0 && !in.mirrored && frame.pkt_len <= out.max_frame_bytes) [[likely]] {
    append(out, frame);
    return;
  }
  Receivers receivers;
  offer(receivers, out, frame);
  give(in, receivers, frame);
}

void VirtualSwitch::send_to_all(PortState& in, rte_mbuf& frame) noexcept {
  in.counters.flooded.add();
  Receivers receivers;
  for (PortState* out : ports_) {
    if (out == &in || !out->live || !out->is_in(vlan_in(frame))) continue;
    refresh(*out);
    offer(receivers, *out, frame);
  }
  give(in, receivers, frame);
}

// The limit of the second that runs: what is above it waits for nobody.
bool VirtualSwitch::storm_allows(PortState& in, uint64_t address, bool count_it) noexcept {
  const bool multicast = (address & kMulticastBit) != 0 && address != kBroadcastAddress;
  const uint32_t limit = multicast ? in.settings.multicast_limit : in.settings.storm_limit;
  if (limit == 0) return true;
  if (in.storm_s != now_s_) {
    in.storm_s = now_s_;
    in.storm_count = 0;
    in.multicast_count = 0;
  }
  uint32_t& used = multicast ? in.multicast_count : in.storm_count;
  if (used >= limit) return false;
  if (count_it) ++used;
  return true;
}

DropReason VirtualSwitch::judge_egress(PortState& out, const View& view) noexcept {
  if (view.packet_bytes > out.features.mtu) return DropReason::kMtu;
  if ((out.egress & kOutAcl) != 0 &&
      out.acl_out.judge(parse_packet(view.headers)) == AclAction::kDeny)
    return DropReason::kAclOut;
  return DropReason::kNone;
}

void VirtualSwitch::offer(Receivers& receivers, PortState& out, const rte_mbuf& frame) noexcept {
  DropReason reason = DropReason::kNone;
  if ((out.egress & kOutAcl) != 0 || frame.pkt_len > out.max_frame_bytes) {
    reason =
        judge_egress(out, {.headers = {rte_pktmbuf_mtod(&frame, const uint8_t*), frame.data_len},
                           .frame_bytes = frame.pkt_len,
                           .packet_bytes = packet_bytes_on_wire(frame),
                           .source = 0,
                           .tag_vlan = 0});
  }
  if (reason == DropReason::kNone) {
    receivers.mirrored |= (out.egress & kOutMirrored) != 0;
    receivers_[receivers.count++] = &out;
  } else {
    ++receivers.refused;
    count_drop(out, frame, reason);
  }
}

// One reference of the frame for each receiver. A mirror that gets it anyway gets it once.
void VirtualSwitch::give(PortState& in, Receivers& receivers, rte_mbuf& frame) noexcept {
  if (in.mirrored || receivers.mirrored) {
    const auto first = receivers_.begin();
    const auto last = first + receivers.count;
    for (PortState* mirror : mirrors_) {
      if (mirror == &in || std::find(first, last, mirror) != last) continue;
      refresh(*mirror);
      if (packet_bytes_on_wire(frame) <= mirror->features.mtu) {
        receivers_[receivers.count++] = mirror;
      } else {
        ++receivers.refused;
        count_drop(*mirror, frame, DropReason::kMtu);
      }
    }
  }
  const uint32_t tried = receivers.count + receivers.refused;
  if (tried > 1) in.counters.copies.add(tried - 1);
  if (receivers.count == 0) {
    if (tried == 0) count_drop(in, frame, DropReason::kNoReceiver);
    rte_pktmbuf_free(&frame);
    return;
  }
  if (receivers.count > 1)
    rte_pktmbuf_refcnt_update(&frame, static_cast<int16_t>(receivers.count - 1));
  for (uint16_t i = 0; i < receivers.count; ++i)
    append(*receivers_[i], frame);
}

void VirtualSwitch::append(PortState& out, rte_mbuf& frame) noexcept {
  if ((frame.ol_flags & out.missing_offloads) != 0) [[unlikely]] {
    append_in_software(out, frame);
  } else {
    list(out, frame);
  }
}

void VirtualSwitch::append_in_software(PortState& out, rte_mbuf& frame) noexcept {
  if ((frame.ol_flags & kFrameSegment) != 0) {
    const uint32_t count = segment_count(frame);
    out.counters.copies.add(count - 1);
    for (uint32_t i = 0; i < count; ++i) {
      rte_mbuf* segment = pool_ == nullptr ? nullptr : make_segment(frame, i, pool_);
      if (segment == nullptr) {
        count_drop(out, frame, DropReason::kNoBuffer);
      } else {
        list(out, *segment);
      }
    }
    rte_pktmbuf_free(&frame);
    return;
  }
  rte_mbuf* own = &frame;
  if (rte_mbuf_refcnt_read(&frame) != 1) {  // others get it as it is
    own = pool_ == nullptr ? nullptr : rte_pktmbuf_copy(&frame, pool_, 0, UINT32_MAX);
    if (own == nullptr) count_drop(out, frame, DropReason::kNoBuffer);
    rte_pktmbuf_free(&frame);
    if (own == nullptr) return;
  }
  complete_checksums(*own);
  list(out, *own);
}

void VirtualSwitch::list(PortState& out, rte_mbuf& frame) noexcept {
  if (!out.touched) {
    out.touched = true;
    touched_[touched_count_++] = &out;
  }
  out.waiting[out.waiting_count++] = &frame;
  if (out.waiting_count == kBurst) transmit(out);
}

// The tag is a matter of the receiver, and a frame may have several: it is set for each in turn.
void VirtualSwitch::transmit(PortState& out) noexcept {
  const uint16_t count = out.waiting_count;
  out.waiting_count = 0;
  const bool tags = out.vlan.tags_out;
  uint64_t bytes = 0;
  for (uint16_t i = 0; i < count; ++i) {
    rte_mbuf& frame = *out.waiting[i];
    const bool tagged = tags && vlan_in(frame) != out.vlan.untagged_out;
    frame.ol_flags = (frame.ol_flags & ~kFrameVlan) | (tagged ? kFrameVlan : 0);
    bytes += frame.pkt_len;
  }
  const uint16_t taken = out.port->transmit({out.waiting.data(), count});
  if (taken < count) [[unlikely]] {
    for (uint16_t i = taken; i < count; ++i)
      bytes -= out.waiting[i]->pkt_len;
    out.counters.dropped(DropReason::kPortFull).add(count - taken);
  }
  if (out.captured) [[unlikely]] {
    const std::span<rte_mbuf* const> frames(out.waiting.data(), count);
    show(out, frames.first(taken), CaptureEvent::kOut);
    show(out, frames.subspan(taken), CaptureEvent::kDropped, DropReason::kPortFull);
  }
  out.counters.tx_frames.add(taken);
  out.counters.tx_bytes.add(bytes);
  rte_pktmbuf_free_bulk(out.waiting.data(), count);
}

}  // namespace viridian::vswitch
