// The doorbell of a guest whose other end is in another process: an eventfd that is not ours, that
// comes, is exchanged and goes while the worker sleeps on it.
//
// Bound to the reactor's thread. Nothing here blocks, whatever the other process does with it.
#pragma once

#include "io/reactor.h"

namespace viridian::vswitch {

class KickSource {
 public:
  using Rung = void (*)(void* context) noexcept;

  KickSource(io::Reactor& reactor, Rung rung, void* context);
  ~KickSource();  // after close()
  KickSource(const KickSource&) = delete;
  KickSource& operator=(const KickSource&) = delete;

  // From now on it is this one, or none. It must be asked for again.
  void set(UniqueFd event) noexcept;

  // `rung` runs once when the event was rung, also if it is rung now, and takes the rings away.
  void arm() noexcept;

  // Turns the reactor until the kernel has let go of all; not from a callback.
  void close() noexcept;

 private:
  struct Operation : io::Completion {
    KickSource* owner = nullptr;
    bool under_way = false;
  };
  void poll() noexcept;
  void cancel() noexcept;
  void polled() noexcept;

  io::Reactor& reactor_;
  Rung rung_;
  void* context_;
  UniqueFd event_;  // what is polled
  UniqueFd next_;   // its successor, while the kernel has not let go of it
  bool replaced_ = false;
  bool wanted_ = false;
  Operation poll_;
  Operation cancel_;
};

}  // namespace viridian::vswitch
