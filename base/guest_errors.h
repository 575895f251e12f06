// Counts what a guest did wrong to one device, by reason. A guest can cause these at any rate, so
// they are counters that a person reads afterwards and not lines in a log.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <span>

namespace viridian {

// `Reason` is an enum class whose last enumerator is kCount. Any thread may count and read.
template <class Reason>
class GuestErrors {
 public:
  void count(Reason reason) noexcept {
    counts_[static_cast<size_t>(reason)].fetch_add(1, std::memory_order_relaxed);
  }
  uint64_t of(Reason reason) const noexcept {
    return counts_[static_cast<size_t>(reason)].load(std::memory_order_relaxed);
  }
  uint64_t total() const noexcept {
    uint64_t sum = 0;
    for (const auto& one : counts_)
      sum += one.load(std::memory_order_relaxed);
    return sum;
  }

 private:
  std::array<std::atomic<uint64_t>, static_cast<size_t>(Reason::kCount)> counts_{};
};

}  // namespace viridian
