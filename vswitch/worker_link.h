// The way from one worker of a switch to another: frames for the other's ports, and what was
// learned of addresses.
//
// Three rings of DPDK (rte_ring), each with one writer and one reader: frames go there, come home
// when they were used, and addresses go there. A frame only visits: its memory may be a guest's,
// which hears of its end on its own thread, and frames that come home are still in this thread's
// caches. Fewer than kLinkFrames are out, so there is always room to come home. Nothing here waits:
// a full ring says so. Each member is of the thread that its part names.
#pragma once

#include <atomic>
#include <memory>
#include <span>

#include "io/event_source.h"
#include "vswitch/frame.h"
#include "vswitch/mac_table.h"

struct rte_ring;

namespace viridian::vswitch {

// What wakes a worker that sleeps.
class WorkerBell {
 public:
  // Without an event the worker is turned by hand. Set-up.
  void set_event(const io::EventSource* event) noexcept { event_ = event; }

  // Its worker's. After arm() it looks at its rings once more.
  void arm() noexcept;
  void disarm() noexcept { armed_.store(false, std::memory_order_relaxed); }

  // Any other worker's, after it has put something into a ring. A call into the kernel if the
  // worker sleeps, else none.
  void ring() noexcept;

 private:
  std::atomic<bool> armed_{false};
  const io::EventSource* event_ = nullptr;
};

struct LearnedMac {
  uint64_t key;
  MacEntry entry;
};
static_assert(sizeof(LearnedMac) == 16);  // rte_ring moves whole words

class WorkerLink {
 public:
  WorkerLink(WorkerBell& from, WorkerBell& to);
  ~WorkerLink();  // both workers are still; frees what is in the rings
  WorkerLink(const WorkerLink&) = delete;
  WorkerLink& operator=(const WorkerLink&) = delete;

  // --- the sender's thread

  // Takes frames that nobody else has, from the front, and returns how many.
  uint16_t send(std::span<rte_mbuf* const> frames) noexcept;
  void tell(const LearnedMac& learned) noexcept;  // lost if the ring is full
  void flush() noexcept;                          // wakes the receiver if there is something new
  void collect() noexcept;                        // frees the frames that came home
  bool has_returned() const noexcept;             // there are such
  unsigned out() const noexcept { return out_; }  // frames that are not home yet

  // --- the receiver's thread

  uint16_t take(std::span<rte_mbuf*> frames) noexcept;
  // All that take() gave, once; a null for a frame that does not come back.
  void give_back(std::span<rte_mbuf* const> frames) noexcept;
  uint16_t take_learned(std::span<LearnedMac> learned) noexcept;
  void flush_back() noexcept;           // wakes the sender if frames go home
  bool has_something() const noexcept;  // frames or addresses

 private:
  struct RingDeleter {
    void operator()(rte_ring* ring) const noexcept;
  };
  using Ring = std::unique_ptr<rte_ring, RingDeleter>;
  static Ring make_ring(unsigned entry_bytes, unsigned entries);

  Ring there_;
  Ring home_;
  Ring learned_;
  alignas(64) WorkerBell& to_;  // from here on the sender's
  unsigned out_ = 0;
  bool sent_ = false;             // since the last flush()
  alignas(64) WorkerBell& from_;  // and from here on the receiver's
  bool returned_ = false;         // since the last flush_back()
};

}  // namespace viridian::vswitch
