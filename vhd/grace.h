// When may freed space be used again, if other threads may still read it? After a grace period:
// once every reader that was under way when the space became free has ended.
//
// The owner counts epochs. A reader publishes the epoch in which its oldest request began, before
// it looks at where blocks are; the owner begins a grace period, after it has published that a
// block is gone, by counting on, and the period is over when no reader's epoch is older. All loads
// and stores here are sequentially consistent: either the owner sees the reader's epoch, or the
// reader saw the new one, and with it that the block is gone.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <limits>
#include <optional>

#include "io/reactor.h"

namespace viridian::vhd {

constexpr uint32_t kMaxViews = 16;

class Grace {
 public:
  static constexpr uint64_t kIdle = std::numeric_limits<uint64_t>::max();

  // One thread's part. Each call is that thread's, but for take_reader().
  class Reader {
   public:
    Reader(Grace& grace, uint32_t index) noexcept : grace_(&grace), index_(index) {}
    // The epoch of a request that begins now; `is_first`: none is in progress.
    uint64_t begin(bool is_first) noexcept {
      uint64_t epoch = grace_->epoch_.load();
      if (!is_first) return epoch;
      for (;;) {
        slot().store(epoch);
        const uint64_t now = grace_->epoch_.load();
        if (now == epoch) return epoch;
        epoch = now;
      }
    }
    // A request has ended: `oldest` is the epoch of the oldest one that goes on, or kIdle.
    void end(uint64_t oldest) noexcept {
      slot().store(oldest);
      Grace& grace = *grace_;
      if (grace.is_awaited_.load() && grace.is_awaited_.exchange(false) &&
          !grace.is_posted_.exchange(true)) {
        grace.owner_.post(grace.wake_);
      }
    }
    void give_back() noexcept { grace_->used_[index_].store(false); }

   private:
    std::atomic<uint64_t>& slot() noexcept { return grace_->oldest_[index_]; }
    Grace* grace_;
    uint32_t index_;
  };

  // `wake` is run on `owner` when a period that was not over may be; it calls woken() first.
  Grace(io::Reactor& owner, io::Completion& wake) noexcept : owner_(owner), wake_(wake) {
    for (auto& oldest : oldest_)
      oldest.store(kIdle);
  }

  std::optional<Reader> take_reader() noexcept {
    for (uint32_t i = 0; i < kMaxViews; ++i) {
      if (!used_[i].exchange(true)) return Reader(*this, i);
    }
    return std::nullopt;
  }

  // The owner's.
  void woken() noexcept { is_posted_.store(false); }
  bool is_posted() const noexcept { return is_posted_.load(); }
  void begin_period() noexcept { period_ = epoch_.fetch_add(1) + 1; }
  bool is_over() noexcept {
    if (all_have_passed()) return true;
    is_awaited_.store(true);
    // Who ended in between did not see the mark.
    return all_have_passed();
  }

 private:
  bool all_have_passed() const noexcept {
    for (const auto& oldest : oldest_) {
      if (oldest.load() < period_) return false;
    }
    return true;
  }

  io::Reactor& owner_;
  io::Completion& wake_;
  std::atomic<uint64_t> epoch_{0};
  std::atomic<bool> is_awaited_{false};
  std::atomic<bool> is_posted_{false};
  std::array<std::atomic<uint64_t>, kMaxViews> oldest_;
  std::array<std::atomic<bool>, kMaxViews> used_{};
  uint64_t period_ = 0;
};

}  // namespace viridian::vhd
