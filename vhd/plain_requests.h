// When may freed space be used again, if plain requests, which are on no list, may still touch it?
// Once all have ended that were out when the space became free.
//
// They are counted by the period in which they began, of two that take turns. A period that begins
// while requests of the last but one are still out, as after a commit that failed, is counted with
// them first and apart when they have ended: it waits for more than it needs to, never for less.
// The disk's reactor only.
#pragma once

#include <array>
#include <cstdint>

namespace viridian::vhd {

class PlainRequests {
 public:
  // A request begins; the number is to be given to end().
  uint32_t begin() noexcept {
    ++out_[now_];
    return now_;
  }
  // True: is_over() may have become true.
  bool end(uint32_t period) noexcept { return --out_[period] == 0 && period != now_; }

  void begin_period() noexcept {
    turn_is_due_ = out_[now_ ^ 1] > 0;
    if (!turn_is_due_) now_ ^= 1;
  }
  bool is_over() noexcept {
    if (out_[now_ ^ 1] > 0) return false;
    if (!turn_is_due_) return true;
    turn_is_due_ = false;
    now_ ^= 1;
    return out_[now_ ^ 1] == 0;
  }

 private:
  std::array<uint32_t, 2> out_ = {};
  uint32_t now_ = 0;
  bool turn_is_due_ = false;
};

}  // namespace viridian::vhd
