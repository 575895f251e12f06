// A timer whose expiries arrive on a reactor, and which any thread may set.
#pragma once

#include <chrono>

#include "io/reactor.h"

namespace viridian::io {

// Expiries that come while the callback is due are merged into one. Bound to the reactor's thread
// from start() to the end of stop().
class TimerSource : private Completion {
 public:
  using Expire = void (*)(void* context) noexcept;

  static Result<std::unique_ptr<TimerSource>> create(Reactor& reactor, Expire expire,
                                                     void* context);

  // Any thread, but not after stop(). Expires after `delay` and then, if `interval` is not zero,
  // each `interval`; a `delay` of zero switches it off. What has expired already may still arrive.
  void set(std::chrono::nanoseconds delay, std::chrono::nanoseconds interval = {}) noexcept;
  // Any thread. Time to the next expiry; zero while it is off.
  std::chrono::nanoseconds remaining() const noexcept;

  void start() noexcept;

  // No callback runs after stop() returns; the object must live until `stopped()` is true, which
  // takes at most one more turn of the reactor.
  void stop() noexcept;
  bool stopped() const noexcept { return !armed_; }

 private:
  TimerSource(Reactor& reactor, Expire expire, void* context, UniqueFd fd);
  void arm() noexcept;

  Reactor& reactor_;
  Expire expire_;
  void* context_;
  UniqueFd fd_;
  uint64_t expiries_ = 0;
  bool active_ = false;
  bool armed_ = false;
};

}  // namespace viridian::io
