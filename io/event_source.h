// A doorbell: an eventfd that others write and whose rings arrive on a reactor.
#pragma once

#include "io/reactor.h"

namespace viridian::io {

// Rings that arrive while the callback is due are merged into one. Bound to the reactor's thread
// from start() to the end of stop().
class EventSource : private Completion {
 public:
  using Ring = void (*)(void* context) noexcept;

  static Result<std::unique_ptr<EventSource>> create(Reactor& reactor, Ring ring, void* context);

  int fd() const noexcept { return fd_.get(); }
  void notify() const noexcept;  // any thread: rings

  void start() noexcept;

  // No callback runs after stop() returns; the object must live until `stopped()` is true, which
  // takes at most one more turn of the reactor.
  void stop() noexcept;
  bool stopped() const noexcept { return !armed_; }

 private:
  EventSource(Reactor& reactor, Ring ring, void* context, UniqueFd fd);
  void arm() noexcept;

  Reactor& reactor_;
  Ring ring_;
  void* context_;
  UniqueFd fd_;
  uint64_t value_ = 0;
  bool active_ = false;
  bool armed_ = false;
};

}  // namespace viridian::io
