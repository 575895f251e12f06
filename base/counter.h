// A number that one thread counts up and any thread reads: adding costs no locked instruction.
#pragma once

#include <atomic>
#include <cstdint>

namespace viridian {

class Counter {
 public:
  void add(uint64_t amount = 1) noexcept {
    value_.store(value_.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
  }
  uint64_t get() const noexcept { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

}  // namespace viridian
