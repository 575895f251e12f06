#include "io/poll_source.h"

#include <poll.h>

namespace viridian::io {

PollSource::PollSource(Reactor& reactor, int fd, Ready ready, void* context)
    : Completion([](Completion& completion) noexcept {
        auto& self = static_cast<PollSource&>(completion);
        self.armed_ = false;
        if (!self.closing_) self.ready_(self.context_);
      }),
      reactor_(reactor),
      fd_(fd),
      ready_(ready),
      context_(context) {}

PollSource::~PollSource() { close(); }

void PollSource::close() noexcept {
  if (!armed_) return;
  closing_ = true;
  Completion cancelled([](Completion& completion) noexcept { completion.result = 1; });
  reactor_.start(cancelled, [this](io_uring_sqe* sqe) {
    io_uring_prep_cancel(sqe, static_cast<Completion*>(this), 0);
  });
  reactor_.run_until([&] { return !armed_ && cancelled.result == 1; });
}

void PollSource::arm() noexcept {
  if (armed_) return;
  armed_ = true;
  reactor_.start(*this, [this](io_uring_sqe* sqe) { io_uring_prep_poll_add(sqe, fd_, POLLIN); });
}

}  // namespace viridian::io
