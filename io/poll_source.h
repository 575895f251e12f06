// Tells a reactor when a file descriptor becomes readable, each time that it is asked to.
#pragma once

#include "io/reactor.h"

namespace viridian::io {

// Bound to the reactor's thread. The descriptor belongs to the caller and outlives this object.
class PollSource : private Completion {
 public:
  using Ready = void (*)(void* context) noexcept;

  PollSource(Reactor& reactor, int fd, Ready ready, void* context);
  ~PollSource();  // close()
  PollSource(const PollSource&) = delete;
  PollSource& operator=(const PollSource&) = delete;

  // `ready` runs once when there is something to read, also if there is something now. Asking again
  // before that changes nothing.
  void arm() noexcept;

  // Turns the reactor until the kernel has let go of the descriptor; not from a callback. Then the
  // object may be destroyed by any thread.
  void close() noexcept;

 private:
  Reactor& reactor_;
  int fd_;
  Ready ready_;
  void* context_;
  bool armed_ = false;
  bool closing_ = false;
};

}  // namespace viridian::io
