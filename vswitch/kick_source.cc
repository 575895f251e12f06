#include "vswitch/kick_source.h"

#include <poll.h>
#include <sys/uio.h>

namespace viridian::vswitch {

KickSource::KickSource(io::Reactor& reactor, Rung rung, void* context)
    : reactor_(reactor), rung_(rung), context_(context) {
  poll_.owner = cancel_.owner = this;
  poll_.run = [](io::Completion& completion) noexcept {
    static_cast<Operation&>(completion).owner->polled();
  };
  cancel_.run = [](io::Completion& completion) noexcept {
    auto& self = static_cast<Operation&>(completion);
    self.under_way = false;
    // A poll that came after the cancelled one may have to go as well.
    if (self.owner->replaced_ && self.owner->poll_.under_way) self.owner->cancel();
  };
}

KickSource::~KickSource() = default;

void KickSource::set(UniqueFd event) noexcept {
  wanted_ = false;
  if (!poll_.under_way) {
    event_ = std::move(event);
    return;
  }
  next_ = std::move(event);
  replaced_ = true;
  cancel();
}

void KickSource::arm() noexcept {
  wanted_ = true;
  if (!poll_.under_way && event_) poll();
}

void KickSource::poll() noexcept {
  poll_.under_way = true;
  reactor_.start(poll_,
                 [this](io_uring_sqe* sqe) { io_uring_prep_poll_add(sqe, event_.get(), POLLIN); });
}

void KickSource::cancel() noexcept {
  if (cancel_.under_way) return;
  cancel_.under_way = true;
  reactor_.start(cancel_, [this](io_uring_sqe* sqe) {
    io_uring_prep_cancel(sqe, static_cast<io::Completion*>(&poll_), 0);
  });
}

void KickSource::polled() noexcept {
  poll_.under_way = false;
  if (replaced_) {
    replaced_ = false;
    event_ = std::move(next_);
    if (wanted_ && event_) poll();
    return;
  }
  uint64_t rings = 0;
  iovec part = {&rings, sizeof(rings)};
  // The other process may have made it a blocking one, and may have been faster.
  [[maybe_unused]] const ssize_t taken = ::preadv2(event_.get(), &part, 1, -1, RWF_NOWAIT);
  if (!wanted_) return;
  wanted_ = false;
  rung_(context_);
}

void KickSource::close() noexcept {
  set({});
  reactor_.run_until([this] { return !poll_.under_way && !cancel_.under_way; });
}

}  // namespace viridian::vswitch
