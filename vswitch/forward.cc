// The data path of a switch: one burst of one port, from judging it to the receivers' lists.

#include <rte_mbuf.h>
#include <rte_prefetch.h>

#include <cstring>

#include "vswitch/virtual_switch.h"
#include "vswitch/vlan_tag.h"

namespace viridian::vswitch {
namespace {

constexpr uint64_t kAddressMask = 0xFFFF'FFFF'FFFF;
constexpr uint64_t kMulticastBit = 1;  // of the first byte, which is the lowest of the word
constexpr uint64_t kNanosecondsPerSecond = 1'000'000'000;
constexpr uint16_t kPrefetchAhead = 8;

// 01:80:c2:00:00:00 to 0f: IEEE 802.1Q, table 8-1.
bool is_reserved(uint64_t address) noexcept {
  return (address & ~(0x0FULL << 40)) == 0x0000'00C2'8001;
}

}  // namespace

void VirtualSwitch::drop(PortState& at, rte_mbuf& frame, DropReason reason) noexcept {
  at.counters.dropped(reason).add();
  rte_pktmbuf_free(&frame);
}

bool VirtualSwitch::turn(uint64_t now_ns) noexcept {
  now_s_ = static_cast<uint32_t>(now_ns / kNanosecondsPerSecond);
  bool worked = false;
  for (PortState* in : ports_) {
    const uint16_t count = in->port->receive(burst_.frames);
    if (count == 0) continue;
    worked = true;
    forward(*in, count);
  }
  if (worked) finish_round();
  return worked;
}

void VirtualSwitch::forward(PortState& in, uint16_t count) noexcept {
  const uint16_t admitted = admit(in, count);
  learn(in, admitted);
  dispatch(in, admitted);
}

// Keeps the frames that may come in, in order, and finds their keys.
uint16_t VirtualSwitch::admit(PortState& in, uint16_t count) noexcept {
  const auto data_of = [](rte_mbuf* frame) { return rte_pktmbuf_mtod(frame, const uint8_t*); };
  for (uint16_t i = 0; i < count && i < kPrefetchAhead; ++i)
    rte_prefetch0(data_of(burst_.frames[i]));
  uint16_t admitted = 0;
  uint64_t bytes = 0;
  for (uint16_t i = 0; i < count; ++i) {
    if (i + kPrefetchAhead < count) rte_prefetch0(data_of(burst_.frames[i + kPrefetchAhead]));
    rte_mbuf& frame = *burst_.frames[i];
    bytes += frame.pkt_len;
    if (frame.data_len < kEthernetHeaderBytes) [[unlikely]] {
      drop(in, frame, DropReason::kRunt);
      continue;
    }
    // Two words hold all of the header: six bytes and the start of the next, six bytes and a type.
    std::array<uint64_t, 2> words;
    std::memcpy(&words[0], data_of(&frame), sizeof(uint64_t));
    std::memcpy(&words[1], data_of(&frame) + 6, sizeof(uint64_t));
    const Addresses addresses = {.destination = words[0] & kAddressMask,
                                 .source = words[1] & kAddressMask,
                                 .ethertype = static_cast<uint16_t>(words[1] >> 48)};
    uint16_t group = in.ingress_group;
    const bool special = in.ingress != 0 || (frame.ol_flags & kFrameNeedsLook) != 0 ||
                         addresses.ethertype == kTagTypeInFrame || addresses.source == 0 ||
                         (addresses.source & kMulticastBit) != 0 || frame.pkt_len > kMaxFrameBytes;
    if (special) [[unlikely]] {
      const DropReason reason = admit_special(in, frame, addresses, group);
      if (reason != DropReason::kNone) {
        drop(in, frame, reason);
        continue;
      }
    } else {
      frame.vlan_tci = in.ingress_vlan;
    }
    burst_.frames[admitted] = &frame;
    burst_.sources[admitted] = mac_key(addresses.source, group);
    burst_.destinations[admitted] = mac_key(addresses.destination, group);
    macs_.prefetch(burst_.sources[admitted]);
    macs_.prefetch(burst_.destinations[admitted]);
    ++admitted;
  }
  in.counters.rx_frames.add(count);
  in.counters.rx_bytes.add(bytes);
  return admitted;
}

// A frame that is more than two addresses: a tag, or something of the port to look at.
DropReason VirtualSwitch::admit_special(PortState& in, rte_mbuf& frame, const Addresses& addresses,
                                        uint16_t& group) noexcept {
  if ((in.ingress & kInDown) != 0) return DropReason::kPortDown;
  if (frame.pkt_len > kMaxFrameBytes) return DropReason::kTooLong;
  if (addresses.source == 0 || (addresses.source & kMulticastBit) != 0)
    return DropReason::kBadSource;
  if (!has_tag(frame) && addresses.ethertype == kTagTypeInFrame && !take_tag(frame))
    return DropReason::kRunt;
  const uint16_t vlan = vlan_of(frame);
  if (vlan != 0) {
    if (!in.vlan.tagged_in.test(vlan)) return DropReason::kVlan;
    group = group_of_[vlan];
  } else {
    const auto priority = has_tag(frame) ? frame.vlan_tci & kTagPriorityMask : 0;
    frame.vlan_tci = static_cast<uint16_t>(priority | in.ingress_vlan);
  }
  return DropReason::kNone;
}

void VirtualSwitch::learn(PortState& in, uint16_t count) noexcept {
  uint64_t last = 0;  // most bursts of a guest come from one address
  for (uint16_t i = 0; i < count; ++i) {
    const uint64_t key = burst_.sources[i];
    if (key == last) continue;
    last = key;
    switch (macs_.learn(key, in.id, now_s_)) {
      case MacTable::Learned::kFull:
        in.counters.macs_refused.add();
        break;
      case MacTable::Learned::kMoveRefused:
      case MacTable::Learned::kFixed:
        in.counters.moves_refused.add();
        break;
      default:
        break;
    }
  }
}

void VirtualSwitch::dispatch(PortState& in, uint16_t count) noexcept {
  for (uint16_t i = 0; i < count; ++i) {
    rte_mbuf& frame = *burst_.frames[i];
    const uint64_t address = burst_.destinations[i] >> 16;
    if ((address & kMulticastBit) != 0) {
      if (is_reserved(address)) {
        drop(in, frame, DropReason::kReservedAddress);
      } else {
        send_to_all(in, frame);
      }
      continue;
    }
    const PortId id = macs_.find(burst_.destinations[i], now_s_);
    if (id == kNoPort) {
      send_to_all(in, frame);
    } else if (id == in.id) {
      drop(in, frame, DropReason::kSamePort);
    } else {
      send_to_one(in, *slots_[id], frame);
    }
  }
}

void VirtualSwitch::send_to_one(PortState& in, PortState& out, rte_mbuf& frame) noexcept {
  if (!out.is_in(frame.vlan_tci & kTagVlanMask)) {
    drop(in, frame, DropReason::kVlanOut);
    return;
  }
  const DropReason reason = judge_egress(out, frame);
  if (reason != DropReason::kNone) {
    drop(out, frame, reason);
    return;
  }
  append(out, frame);
}

void VirtualSwitch::send_to_all(PortState& in, rte_mbuf& frame) noexcept {
  const auto vlan = static_cast<uint16_t>(frame.vlan_tci & kTagVlanMask);
  uint16_t count = 0;
  uint16_t refused = 0;
  for (PortState* out : ports_) {
    if (out == &in || !out->live || !out->is_in(vlan)) continue;
    const DropReason reason = judge_egress(*out, frame);
    if (reason == DropReason::kNone) {
      receivers_[count++] = out;
    } else {
      out->counters.dropped(reason).add();
      ++refused;
    }
  }
  in.counters.flooded.add();
  if (count + refused > 1) in.counters.copies.add(count + refused - 1U);
  if (count == 0) {
    if (refused == 0) in.counters.dropped(DropReason::kNoReceiver).add();
    rte_pktmbuf_free(&frame);
    return;
  }
  if (count > 1) rte_pktmbuf_refcnt_update(&frame, static_cast<int16_t>(count - 1));
  for (uint16_t i = 0; i < count; ++i)
    append(*receivers_[i], frame);
}

DropReason VirtualSwitch::judge_egress(const PortState& out, const rte_mbuf& frame) const noexcept {
  if (frame.pkt_len > out.max_frame_bytes) [[unlikely]]
    return DropReason::kMtu;
  return DropReason::kNone;
}

void VirtualSwitch::append(PortState& out, rte_mbuf& frame) noexcept {
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
  for (uint16_t i = 0; i < count; ++i) {
    rte_mbuf& frame = *out.waiting[i];
    const bool tagged =
        out.vlan.tags_out && (frame.vlan_tci & kTagVlanMask) != out.vlan.untagged_out;
    frame.ol_flags = (frame.ol_flags & ~kFrameVlan) | (tagged ? kFrameVlan : 0);
  }
  const uint16_t taken = out.port->transmit({out.waiting.data(), count});
  uint64_t bytes = 0;
  for (uint16_t i = 0; i < taken; ++i)
    bytes += out.waiting[i]->pkt_len;
  out.counters.tx_frames.add(taken);
  out.counters.tx_bytes.add(bytes);
  if (taken < count) [[unlikely]]
    out.counters.dropped(DropReason::kPortFull).add(count - taken);
  rte_pktmbuf_free_bulk(out.waiting.data(), count);
}

void VirtualSwitch::finish_round() noexcept {
  for (uint16_t i = 0; i < touched_count_; ++i) {
    PortState& out = *touched_[i];
    if (out.waiting_count > 0) transmit(out);
    out.touched = false;
    out.port->flush();
  }
  touched_count_ = 0;
}

}  // namespace viridian::vswitch
