// One line on a terminal that says how far a copy is, how fast, and how long it will take. Silent
// where standard error is no terminal.
#pragma once

#include <chrono>
#include <cstdint>

namespace viridian::vhd::tool {

class Progress {
 public:
  explicit Progress(uint64_t total_bytes);  // 0: nobody knows
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // `done_bytes` of the total are handled, of which `moved_bytes` had to be read.
  void update(uint64_t done_bytes, uint64_t moved_bytes);

 private:
  using Clock = std::chrono::steady_clock;

  uint64_t total_bytes_;
  bool on_terminal_;
  bool shown_ = false;
  Clock::time_point start_ = Clock::now();
  Clock::time_point next_ = start_;
};

}  // namespace viridian::vhd::tool
