#include "io/event_source.h"

#include <sys/eventfd.h>

#include <cerrno>

namespace viridian::io {

Result<std::unique_ptr<EventSource>> EventSource::create(Reactor& reactor, Ring ring,
                                                         void* context) {
  UniqueFd fd(::eventfd(0, EFD_CLOEXEC));
  if (!fd) return fail_errno("eventfd", errno);
  return std::unique_ptr<EventSource>(
      new EventSource(reactor, ring, context, std::move(fd)));  // set-up
}

EventSource::EventSource(Reactor& reactor, Ring ring, void* context, UniqueFd fd)
    : reactor_(reactor), ring_(ring), context_(context), fd_(std::move(fd)) {
  run = [](Completion& completion) noexcept {
    auto& self = static_cast<EventSource&>(completion);
    self.armed_ = false;
    if (!self.active_) return;
    self.arm();
    self.ring_(self.context_);
  };
}

void EventSource::arm() noexcept {
  armed_ = true;
  reactor_.start(*this, [this](io_uring_sqe* sqe) {
    io_uring_prep_read(sqe, fd_.get(), &value_, sizeof(value_), 0);
  });
}

void EventSource::notify() const noexcept {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(fd_.get(), &one, sizeof(one));
}

void EventSource::start() noexcept {
  active_ = true;
  if (!armed_) arm();
}

void EventSource::stop() noexcept {
  active_ = false;
  if (!armed_) return;
  // The write ends the pending read; its completion then finds the source inactive.
  notify();
}

}  // namespace viridian::io
