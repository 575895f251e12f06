// The part of a switch's round that concerns its other workers: frames that they send to ports of
// this one, frames that go to theirs, and addresses both ways.

#include <rte_mbuf.h>
#include <rte_prefetch.h>

#include <utility>

#include "vswitch/virtual_switch.h"

namespace viridian::vswitch {
bool VirtualSwitch::take_from_workers() noexcept {
  bool worked = false;
  for (const WorkerSeat::Peer& peer : seat_->peers) {
    take_learned(*peer.from);
    for (unsigned i = 0; i < kLinkBurstsPerTurn && take_burst(*peer.from); ++i)
      worked = true;
    peer.to->collect();
  }
  return worked;
}

bool VirtualSwitch::take_burst(WorkerLink& link) noexcept {
  const uint16_t count = link.take(burst_.frames);
  if (count == 0) return false;
  for (uint16_t i = 0; i < count; ++i)
    rte_prefetch0(burst_.frames[i]);
  const std::span frames(burst_.frames.data(), count);
  for (rte_mbuf*& frame : frames) {
    PortState* out = slots_[frame->port].get();
    if (out == nullptr || out->remote) {
      seat_->strays.add();
    } else if (!take_frame(*out, *frame)) {
      frame = nullptr;
    }
  }
  transmit_all();  // nobody borrows them any more
  link.give_back(frames);
  return true;
}

// The other worker counts what the port takes, and sets the tag.
void VirtualSwitch::send_over(PortState& out) noexcept {
  const std::span<rte_mbuf* const> frames(out.waiting.data(), out.waiting_count);
  out.waiting_count = 0;
  out.waiting_bytes = out.waiting_flags = 0;
  const uint16_t taken = out.port->transmit(frames);
  if (taken == frames.size()) [[likely]]
    return;
  const auto refused = frames.subspan(taken);
  out.counters.dropped(DropReason::kWorkerFull).add(refused.size());
  if (out.captured) show(out, refused, CaptureEvent::kDropped, DropReason::kWorkerFull);
  rte_pktmbuf_free_bulk(out.waiting.data() + taken, static_cast<unsigned>(refused.size()));
}

void VirtualSwitch::take_learned(WorkerLink& link) noexcept {
  std::array<LearnedMac, kBurst> learned;
  for (unsigned i = 0; i < kLinkMacs; i += kBurst) {
    const uint16_t count = link.take_learned(learned);
    for (const LearnedMac& one : std::span(learned).first(count)) {
      const PortState* at = port(one.entry.port);  // it may have gone meanwhile
      if (at != nullptr && at->remote && at->live) macs_.adopt(one.key, one.entry);
    }
    if (count < kBurst) return;
  }
}

void VirtualSwitch::tell_workers(uint64_t key) noexcept {
  const MacEntry* entry = macs_.entry(key);
  if (entry == nullptr || entry->fixed()) return;
  for (const WorkerSeat::Peer& peer : seat_->peers)
    peer.to->tell({key, *entry});
}

void VirtualSwitch::tell_mtus() noexcept {
  for (const PortState* state : own_ports_)
    (*seat_->mtus)[state->id].store(state->port->features().mtu, std::memory_order_relaxed);
}

void VirtualSwitch::wake_workers() noexcept {
  for (const WorkerSeat::Peer& peer : seat_->peers) {
    peer.to->flush();
    peer.from->flush_back();
  }
}

// False: there is something now.
bool VirtualSwitch::arm_links() noexcept {
  tell_mtus();
  seat_->bell.arm();
  for (const WorkerSeat::Peer& peer : seat_->peers) {
    if (peer.from->has_something() || peer.to->has_returned()) return false;
  }
  return true;
}

void VirtualSwitch::settle() noexcept {
  if (seat_ == nullptr) return;
  for (unsigned taken = 0; taken < kLinkFrames; taken += kLinkBurstsPerTurn * kBurst)
    if (!take_from_workers()) break;
  finish_round();
}

}  // namespace viridian::vswitch
