// The data path of a switch: a round over its ports, and one burst from port to port.

#include <rte_mbuf.h>

#include <algorithm>
#include <utility>

#include "vswitch/coalesce.h"
#include "vswitch/virtual_switch.h"
#include "vswitch/vlan_tag.h"

namespace viridian::vswitch {
namespace {

constexpr uint64_t kNanosecondsPerSecond = 1'000'000'000;
// What a port of the greatest weight gains in a round: a burst of the smallest frames. Who sends
// more in one burst waits for some rounds.
constexpr int64_t kRoundBytes = 64 * kBurst;

}  // namespace

bool VirtualSwitch::turn(uint64_t now_ns) noexcept {
  now_ns_ = now_ns;
  now_s_ = static_cast<uint32_t>(now_ns / kNanosecondsPerSecond);
  throttled_ = false;
  next_ready_ns_ = kNever;
  bool worked = seat_ != nullptr && take_from_workers();
  contended_ = std::exchange(busy_count_, uint16_t{0}) > 1;
  for (PortState* in : own_ports_) {
    const uint16_t count = receive(*in);
    if (count == 0) continue;
    worked = true;
    if (in->captured) show(*in, {burst_.frames.data(), count}, CaptureEvent::kIn);
    forward(*in, count);
    free_unless_waiting();
  }
  if (worked) finish_round();
  if (now_s_ != aged_s_) age_some(worked ? kAgedBucketsPerTurn : kAgedBucketsPerIdleTurn);
  return worked;
}

// A sweep each second, in pieces: no round waits for all of the table.
void VirtualSwitch::age_some(uint32_t buckets) noexcept {
  if (seat_ != nullptr && told_s_ != now_s_) {
    told_s_ = now_s_;
    tell_mtus();
  }
  macs_.age(now_s_, buckets);
  aged_buckets_ += buckets;
  if (aged_buckets_ < macs_.bucket_count()) return;
  aged_buckets_ = 0;
  aged_s_ = now_s_;
}

uint16_t VirtualSwitch::receive(PortState& in) noexcept {
  if (in.turn == 0) return in.port->receive(burst_.frames);
  if ((in.turn & kLimited) != 0 && !in.bucket.ready(now_ns_)) {
    next_ready_ns_ = std::min(next_ready_ns_, in.bucket.ready_at_ns());
    return 0;
  }
  if ((in.turn & kWeighted) != 0 && contended_) {
    in.credit_bytes += kRoundBytes * std::max<int64_t>(in.settings.weight, 1) / most_weight_;
    if (in.credit_bytes <= 0) {
      throttled_ = true;
      ++busy_count_;
      return 0;
    }
  } else {
    in.credit_bytes = 0;
  }
  uint16_t count = in.port->receive(burst_.frames);
  if ((in.turn & kCoalesced) != 0 && count > 1) count = join_segments(in, count);
  if (count == 0) {
    in.credit_bytes = 0;  // who has nothing to send saves nothing up
  } else {
    ++busy_count_;
  }
  return count;
}

// The port counts the frames that came, not those that are left.
uint16_t VirtualSwitch::join_segments(PortState& in, uint16_t count) noexcept {
  const auto bytes_of = [&](uint16_t frames) {
    uint64_t bytes = 0;
    for (uint16_t i = 0; i < frames; ++i)
      bytes += burst_.frames[i]->pkt_len;
    return bytes;
  };
  const uint64_t bytes = bytes_of(count);
  const uint16_t kept = coalesce({burst_.frames.data(), count});
  in.counters.rx_frames.add(count - kept);
  in.counters.coalesced.add(count - kept);
  in.counters.rx_bytes.add(bytes - bytes_of(kept));
  return kept;
}

void VirtualSwitch::forward(PortState& in, uint16_t count) noexcept {
  const uint16_t admitted = admit(in, count);
  learn(in, admitted);
  dispatch(in, admitted);
}

void VirtualSwitch::learn(PortState& in, uint16_t count) noexcept {
  const std::span sources(burst_.sources.data(), count);
  macs_.find_all(sources, burst_.source_hashes.data(), burst_.entries.data());
  uint64_t last = 0;  // most bursts of a guest come from one address
  for (uint16_t i = 0; i < count; ++i) {
    const uint64_t key = sources[i];
    if (key == last) continue;
    last = key;
    const MacEntry* known = burst_.entries[i];
    if (known != nullptr && known->port == in.id && known->seen_s == now_s_) continue;
    switch (macs_.learn(key, in.id, now_s_)) {
      case MacTable::Learned::kFull:
        in.counters.macs_refused.add();
        break;
      case MacTable::Learned::kMoveRefused:
      case MacTable::Learned::kFixed:
        in.counters.moves_refused.add();
        break;
      default:
        if (seat_ != nullptr) tell_workers(key);
        break;
    }
  }
}

void VirtualSwitch::finish_round() noexcept {
  transmit_all();
  for (uint16_t i = 0; i < touched_count_; ++i) {
    touched_[i]->touched = false;
    touched_[i]->port->flush();
  }
  touched_count_ = 0;
  if (seat_ != nullptr) wake_workers();
}

}  // namespace viridian::vswitch
