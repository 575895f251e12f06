// The memory model of C11 for the rings: what orders them is then seen by the thread sanitizer too.
// The code for x86 is the same. Before any other header of DPDK.
#define RTE_USE_C11_MEM_MODEL

#include "vswitch/worker_link.h"

#include <rte_ring.h>
#include <rte_ring_elem.h>

#include <algorithm>
#include <array>
#include <new>

#include "vswitch/limits.h"

namespace viridian::vswitch {
namespace {

constexpr unsigned kFlags = RING_F_SP_ENQ | RING_F_SC_DEQ;
constexpr unsigned kPointerBytes = sizeof(void*);
constexpr unsigned kMostOut = kLinkFrames - 1;  // one place of a ring stays empty
constexpr std::align_val_t kAlignment{RTE_CACHE_LINE_SIZE};

bool is_empty(const rte_ring& ring) noexcept {
  return __atomic_load_n(&ring.prod.tail, __ATOMIC_ACQUIRE) ==
         __atomic_load_n(&ring.cons.tail, __ATOMIC_ACQUIRE);
}

}  // namespace

void WorkerBell::arm() noexcept {
  armed_.store(true, std::memory_order_relaxed);
  // Pairs with ring(): either the others see that this worker wants to sleep, or it sees what they
  // have put into a ring.
  rte_smp_mb();
}

void WorkerBell::ring() noexcept {
  rte_smp_mb();  // pairs with arm()
  if (!armed_.load(std::memory_order_relaxed)) return;
  if (armed_.exchange(false, std::memory_order_relaxed) && event_ != nullptr) event_->notify();
}

void WorkerLink::RingDeleter::operator()(rte_ring* ring) const noexcept {
  ::operator delete(ring, kAlignment);
}

WorkerLink::Ring WorkerLink::make_ring(unsigned entry_bytes, unsigned entries) {
  const auto bytes = rte_ring_get_memsize_elem(entry_bytes, entries);
  void* memory = ::operator new(static_cast<size_t>(bytes), kAlignment);
  Ring ring(static_cast<rte_ring*>(memory));
  rte_ring_init(ring.get(), "worker", entries, kFlags);
  return ring;
}

WorkerLink::WorkerLink(WorkerBell& from, WorkerBell& to)
    : there_(make_ring(kPointerBytes, kLinkFrames)),
      home_(make_ring(kPointerBytes, kLinkFrames)),
      learned_(make_ring(sizeof(LearnedMac), kLinkMacs)),
      to_(to),
      from_(from) {}

WorkerLink::~WorkerLink() {
  std::array<rte_mbuf*, kBurst> frames;
  while (const uint16_t count = take(frames))
    give_back({frames.data(), count});
  collect();
}

// --- the sender's thread -------------------------------------------------------------------------

uint16_t WorkerLink::send(std::span<rte_mbuf* const> frames) noexcept {
  if (kMostOut - out_ < frames.size()) collect();
  const size_t count = std::min<size_t>(frames.size(), kMostOut - out_);
  if (count == 0) return 0;
  rte_ring_sp_enqueue_bulk_elem(there_.get(), frames.data(), kPointerBytes,
                                static_cast<unsigned>(count), nullptr);
  out_ += static_cast<unsigned>(count);
  sent_ = true;
  return static_cast<uint16_t>(count);
}

void WorkerLink::tell(const LearnedMac& learned) noexcept {
  rte_ring_sp_enqueue_elem(learned_.get(), const_cast<LearnedMac*>(&learned), sizeof(learned));
  sent_ = true;
}

void WorkerLink::flush() noexcept {
  if (!sent_) return;
  sent_ = false;
  to_.ring();
}

void WorkerLink::collect() noexcept {
  std::array<rte_mbuf*, kBurst> frames;
  while (out_ > 0) {
    const unsigned count =
        rte_ring_sc_dequeue_burst_elem(home_.get(), frames.data(), kPointerBytes, kBurst, nullptr);
    if (count == 0) return;
    out_ -= count;
    rte_pktmbuf_free_bulk(frames.data(), count);
  }
}

bool WorkerLink::has_returned() const noexcept { return !is_empty(*home_); }

// --- the receiver's thread -----------------------------------------------------------------------

uint16_t WorkerLink::take(std::span<rte_mbuf*> frames) noexcept {
  return static_cast<uint16_t>(rte_ring_sc_dequeue_burst_elem(
      there_.get(), frames.data(), kPointerBytes, static_cast<unsigned>(frames.size()), nullptr));
}

void WorkerLink::give_back(std::span<rte_mbuf* const> frames) noexcept {
  rte_ring_sp_enqueue_bulk_elem(home_.get(), frames.data(), kPointerBytes,
                                static_cast<unsigned>(frames.size()), nullptr);
  returned_ = true;
}

uint16_t WorkerLink::take_learned(std::span<LearnedMac> learned) noexcept {
  return static_cast<uint16_t>(
      rte_ring_sc_dequeue_burst_elem(learned_.get(), learned.data(), sizeof(LearnedMac),
                                     static_cast<unsigned>(learned.size()), nullptr));
}

void WorkerLink::flush_back() noexcept {
  if (!returned_) return;
  returned_ = false;
  from_.ring();
}

bool WorkerLink::has_something() const noexcept {
  return !is_empty(*there_) || !is_empty(*learned_);
}

}  // namespace viridian::vswitch
