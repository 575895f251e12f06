// Bandwidth of a port: when the next frames may come in. A frame is never dropped for it: the port
// is asked later, and its guest's ring fills up.
#pragma once

#include <algorithm>
#include <cstdint>

namespace viridian::vswitch {

class TokenBucket {
 public:
  static constexpr uint64_t kLeastBitsPerSecond = 64'000;

  // 0: no limit.
  void set_rate(uint64_t bits_per_second) noexcept {
    cost_ = bits_per_second == 0 ? 0 : (8'000'000'000ULL << kShift) / bits_per_second;
    free_at_ns_ = 0;
  }
  bool limited() const noexcept { return cost_ != 0; }
  bool ready(uint64_t now_ns) const noexcept { return now_ns >= free_at_ns_; }
  uint64_t ready_at_ns() const noexcept { return free_at_ns_; }

  // After the fact, whatever it was: a burst may take more than there is, and waits the longer.
  void take(uint64_t bytes, uint64_t now_ns) noexcept {
    const uint64_t earliest = now_ns > kSavedNs ? now_ns - kSavedNs : 0;
    const uint64_t scaled = bytes * cost_ + rest_;
    free_at_ns_ = std::max(free_at_ns_, earliest) + (scaled >> kShift);
    rest_ = scaled & ((1U << kShift) - 1);
  }

 private:
  static constexpr unsigned kShift = 16;
  static constexpr uint64_t kSavedNs = 5'000'000;  // what an idle port may send at once, in time

  uint64_t cost_ = 0;  // nanoseconds for each byte, times 2^kShift
  uint64_t rest_ = 0;
  uint64_t free_at_ns_ = 0;
};

}  // namespace viridian::vswitch
