// The last phase of the data path: who gets a frame, with or without a copy for a mirror, and what
// must be done in software first because a receiver's card cannot.

#include <rte_mbuf.h>

#include <algorithm>
#include <utility>

#include "vswitch/offload.h"
#include "vswitch/virtual_switch.h"
#include "vswitch/vlan_tag.h"

namespace viridian::vswitch {
namespace {

constexpr uint64_t kBroadcastAddress = 0xFFFF'FFFF'FFFF;
constexpr uint64_t kMulticastBit = 1;

// Whether the port takes the frame as it is, leaving rules aside.
bool fits(const PortState& out, const rte_mbuf& frame) noexcept {
  return frame.pkt_len <= out.max_frame_bytes && (frame.ol_flags & out.missing_offloads) == 0;
}

uint16_t vlan_in(const rte_mbuf& frame) noexcept { return frame.vlan_tci & kTagVlanMask; }

// 01:80:c2:00:00:00 to 0f: IEEE 802.1Q, table 8-1.
bool is_reserved(uint64_t address) noexcept {
  return (address & ~(0x0FULL << 40)) == 0x0000'00C2'8001;
}

// Whether the frame may leave its worker for good: it is one piece, of a pool, and nobody else's.
bool may_stay(const rte_mbuf& frame) noexcept {
  return RTE_MBUF_DIRECT(&frame) && frame.nb_segs == 1 && rte_mbuf_refcnt_read(&frame) == 1;
}

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

// The references: each list of a port that takes frames has one. If a port only borrows the frame,
// the switch has one more until no list has the frame.
inline void VirtualSwitch::own(rte_mbuf& frame) noexcept {
  if (owned_count_ == kMaxOwnedFrames) [[unlikely]]
    transmit_all();
  owned_[owned_count_++] = &frame;
}

inline void VirtualSwitch::list(PortState& out, rte_mbuf& frame) noexcept {
  if (!out.touched) [[unlikely]] {
    out.touched = true;
    touched_[touched_count_++] = &out;
  }
  out.waiting[out.waiting_count] = &frame;
  out.waiting_bytes += frame.pkt_len;
  out.waiting_flags |= frame.ol_flags;
  if (++out.waiting_count == kBurst) transmit(out);
}

// For a frame that nobody else gets.
inline void VirtualSwitch::hand(PortState& out, rte_mbuf& frame) noexcept {
  list(out, frame);
  if (!out.takes) own(frame);
}

// For a frame that others get too, perhaps with a tag: it may have one until its turn here comes.
inline void VirtualSwitch::lend(PortState& out, rte_mbuf& frame) noexcept {
  out.waiting_flags |= kFrameVlan;
  list(out, frame);
}

inline void VirtualSwitch::append(PortState& out, rte_mbuf& frame, bool shared) noexcept {
  if ((frame.ol_flags & out.missing_offloads) != 0) [[unlikely]] {
    append_in_software(out, frame, shared);
  } else if (shared) {
    lend(out, frame);
  } else {
    hand(out, frame);
  }
}

// To the first `count` of receivers_, with all references that they need made at once.
inline void VirtualSwitch::share(rte_mbuf& frame, uint16_t count) noexcept {
  int references = 0;
  bool borrowed = false;  // also by those that get something else made of it
  for (uint16_t i = 0; i < count; ++i) {
    const PortState& out = *receivers_[i];
    if (out.takes && (frame.ol_flags & out.missing_offloads) == 0) {
      ++references;
    } else {
      borrowed = true;
    }
  }
  references += borrowed ? 1 : 0;
  if (references > 1) rte_pktmbuf_refcnt_update(&frame, static_cast<int16_t>(references - 1));
  for (uint16_t i = 0; i < count; ++i)
    append(*receivers_[i], frame, true);
  if (borrowed) own(frame);
}

// The usual mirrored frame, which the mirrors take as it is too. False: nothing was done.
inline bool VirtualSwitch::send_mirrored(PortState& in, PortState& out, rte_mbuf& frame) noexcept {
  uint16_t count = 1;
  receivers_[0] = &out;
  for (PortState* mirror : mirrors_) {
    if (mirror == &in || mirror == &out) continue;
    refresh(*mirror);
    if (!fits(*mirror, frame)) return false;
    receivers_[count++] = mirror;
  }
  in.counters.copies.add(count - 1U);
  share(frame, count);
  return true;
}

inline void VirtualSwitch::send_to_one(PortState& in, PortState& out, rte_mbuf& frame) noexcept {
  if (!out.is_in(vlan_in(frame))) [[unlikely]] {
    drop(in, frame, DropReason::kVlanOut);
    return;
  }
  const bool as_it_is = fits(out, frame);
  if (as_it_is && out.egress == 0 && !in.mirrored) [[likely]] {
    hand(out, frame);
    return;
  }
  if (as_it_is && (out.egress & kOutAcl) == 0 && send_mirrored(in, out, frame)) return;
  Receivers receivers;
  offer(receivers, out, frame);
  give(in, receivers, frame);
}

void VirtualSwitch::dispatch(PortState& in, uint16_t count) noexcept {
  macs_.find_all({burst_.destinations.data(), count}, burst_.destination_hashes.data(),
                 burst_.entries.data());
  PortState* out = nullptr;
  for (uint16_t i = 0; i < count; ++i) {
    rte_mbuf& frame = *burst_.frames[i];
    const uint64_t key = burst_.destinations[i];
    const PortId id = macs_.port_of(burst_.entries[i], now_s_);
    // To itself: nobody else has the address, whether or not it could be learned.
    if (id == in.id || key == burst_.sources[i]) [[unlikely]] {
      drop(in, frame, DropReason::kSamePort);
    } else if (id == kNoPort) [[unlikely]] {
      flood(in, frame, key >> 16);
    } else {
      if (out == nullptr || out->id != id) {
        out = slots_[id].get();
        refresh(*out);
      }
      send_to_one(in, *out, frame);
    }
  }
}

void VirtualSwitch::flood(PortState& in, rte_mbuf& frame, uint64_t address) noexcept {
  if (is_reserved(address)) {
    drop(in, frame, DropReason::kReservedAddress);
  } else if (!storm_allows(in, address, true)) {
    drop(in, frame, DropReason::kStormLimit);
  } else {
    send_to_all(in, frame);
  }
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
  if ((out.egress & kOutAcl) == 0) return DropReason::kNone;
  return out.verdicts_out.of(view.headers, [&] {
    const bool allowed = out.acl_out.judge(parse_packet(view.headers)) == AclAction::kAllow;
    return allowed ? DropReason::kNone : DropReason::kAclOut;
  });
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

// A mirror that gets it anyway gets it once.
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
  } else if (receivers.count == 1) {
    append(*receivers_[0], frame, false);
  } else {
    share(frame, receivers.count);
  }
}

void VirtualSwitch::append_in_software(PortState& out, rte_mbuf& frame, bool shared) noexcept {
  if ((frame.ol_flags & kFrameSegment) != 0) {
    append_segments(out, frame);
    if (!shared) rte_pktmbuf_free(&frame);
    return;
  }
  rte_mbuf* own = &frame;
  if (shared || rte_mbuf_refcnt_read(&frame) != 1) {  // others get it as it is
    own = pool_ == nullptr ? nullptr : rte_pktmbuf_copy(&frame, pool_, 0, UINT32_MAX);
    if (own == nullptr) count_drop(out, frame, DropReason::kNoBuffer);
    if (!shared) rte_pktmbuf_free(&frame);
    if (own == nullptr) return;
  }
  complete_checksums(*own);
  hand(out, *own);
}

void VirtualSwitch::append_segments(PortState& out, rte_mbuf& frame) noexcept {
  const uint32_t count = segment_count(frame);
  out.counters.copies.add(count - 1);
  for (uint32_t i = 0; i < count; ++i) {
    rte_mbuf* segment = pool_ == nullptr ? nullptr : make_segment(frame, i, pool_);
    if (segment == nullptr && pool_ != nullptr) {  // others may have gone out by now
      transmit_all();
      segment = make_segment(frame, i, pool_);
    }
    if (segment == nullptr) {
      count_drop(out, frame, DropReason::kNoBuffer);
    } else {
      hand(out, *segment);
    }
  }
}

// All but what only this worker knows was judged by the other one. False: the frame stays here.
bool VirtualSwitch::take_frame(PortState& out, rte_mbuf& frame) noexcept {
  refresh(out);
  auto reason = DropReason::kNone;
  if (!out.live) reason = DropReason::kNoCarrier;
  if (frame.pkt_len > out.max_frame_bytes && packet_bytes_on_wire(frame) > out.features.mtu)
    reason = DropReason::kMtu;
  if (reason != DropReason::kNone) [[unlikely]] {
    count_drop(out, frame, reason);
    return true;
  }
  if (!out.takes) {
    append(out, frame, true);
    return true;
  }
  const bool stays = may_stay(frame);
  rte_mbuf* own = &frame;
  if (!stays) own = pool_ == nullptr ? nullptr : rte_pktmbuf_copy(&frame, pool_, 0, UINT32_MAX);
  if (own == nullptr) {
    count_drop(out, frame, DropReason::kNoBuffer);
  } else {
    append(out, *own, false);
  }
  return !stays;
}

// The tag is a matter of the receiver, and a frame may have several: it is set for each in turn.
void VirtualSwitch::transmit(PortState& out) noexcept {
  if (out.remote) [[unlikely]]
    return send_over(out);
  const std::span<rte_mbuf* const> frames(out.waiting.data(), out.waiting_count);
  out.waiting_count = 0;
  uint64_t bytes = std::exchange(out.waiting_bytes, 0);
  const uint64_t flags = std::exchange(out.waiting_flags, 0);
  const bool tags = out.vlan.tags_out;
  if (tags || (flags & kFrameVlan) != 0) {
    for (rte_mbuf* frame : frames) {
      const bool tagged = tags && vlan_in(*frame) != out.vlan.untagged_out;
      const uint64_t wanted = (frame->ol_flags & ~kFrameVlan) | (tagged ? kFrameVlan : 0);
      if (frame->ol_flags != wanted) frame->ol_flags = wanted;
    }
  }
  const bool keeps = out.captured && out.takes;  // to show them when they are the port's
  for (size_t i = 0; keeps && i < frames.size(); ++i)
    rte_pktmbuf_refcnt_update(frames[i], 1);
  const uint16_t taken = out.port->transmit(frames);
  const auto refused = frames.subspan(taken);
  auto reason = DropReason::kPortFull;
  if (!refused.empty()) [[unlikely]] {
    if (!out.port->carrier()) reason = DropReason::kNoCarrier;
    for (const rte_mbuf* frame : refused)
      bytes -= frame->pkt_len;
    out.counters.dropped(reason).add(refused.size());
  }
  if (out.captured) [[unlikely]] {
    show(out, frames.first(taken), CaptureEvent::kOut);
    show(out, refused, CaptureEvent::kDropped, reason);
  }
  out.counters.tx_frames.add(taken);
  out.counters.tx_bytes.add(bytes);
  if (keeps) rte_pktmbuf_free_bulk(out.waiting.data(), static_cast<unsigned>(frames.size()));
  if (out.takes && !refused.empty())
    rte_pktmbuf_free_bulk(out.waiting.data() + taken, static_cast<unsigned>(refused.size()));
}

void VirtualSwitch::transmit_all() noexcept {
  for (uint16_t i = 0; i < touched_count_; ++i) {
    if (touched_[i]->waiting_count > 0) transmit(*touched_[i]);
  }
  free_owned();
}

void VirtualSwitch::free_owned() noexcept {
  rte_pktmbuf_free_bulk(owned_.data(), std::exchange(owned_count_, uint16_t{0}));
}

// Sooner than at the end of the round if that is known at a glance: their memory is still warm.
void VirtualSwitch::free_unless_waiting() noexcept {
  constexpr uint16_t kGlance = 4;
  if (owned_count_ == 0 || touched_count_ > kGlance) return;
  for (uint16_t i = 0; i < touched_count_; ++i) {
    if (touched_[i]->waiting_count > 0) return;
  }
  free_owned();
}

}  // namespace viridian::vswitch
