#include "io/timer_source.h"

#include <sys/timerfd.h>

#include <cerrno>

namespace viridian::io {
namespace {

constexpr int64_t kNanosecondsPerSecond = 1'000'000'000;

timespec to_timespec(std::chrono::nanoseconds time) {
  return {.tv_sec = time.count() / kNanosecondsPerSecond,
          .tv_nsec = time.count() % kNanosecondsPerSecond};
}

}  // namespace

Result<std::unique_ptr<TimerSource>> TimerSource::create(Reactor& reactor, Expire expire,
                                                         void* context) {
  UniqueFd fd(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC));
  if (!fd) return fail_errno("timerfd", errno);
  return std::unique_ptr<TimerSource>(
      new TimerSource(reactor, expire, context, std::move(fd)));  // set-up
}

TimerSource::TimerSource(Reactor& reactor, Expire expire, void* context, UniqueFd fd)
    : reactor_(reactor), expire_(expire), context_(context), fd_(std::move(fd)) {
  run = [](Completion& completion) noexcept {
    auto& self = static_cast<TimerSource&>(completion);
    self.armed_ = false;
    if (!self.active_) return;
    self.arm();
    self.expire_(self.context_);
  };
}

void TimerSource::set(std::chrono::nanoseconds delay, std::chrono::nanoseconds interval) noexcept {
  const itimerspec times{.it_interval = to_timespec(interval), .it_value = to_timespec(delay)};
  ::timerfd_settime(fd_.get(), 0, &times, nullptr);
}

std::chrono::nanoseconds TimerSource::remaining() const noexcept {
  itimerspec times{};
  ::timerfd_gettime(fd_.get(), &times);
  return std::chrono::seconds(times.it_value.tv_sec) +
         std::chrono::nanoseconds(times.it_value.tv_nsec);
}

void TimerSource::arm() noexcept {
  armed_ = true;
  reactor_.start(*this, [this](io_uring_sqe* sqe) {
    io_uring_prep_read(sqe, fd_.get(), &expiries_, sizeof(expiries_), 0);
  });
}

void TimerSource::start() noexcept {
  active_ = true;
  if (!armed_) arm();
}

void TimerSource::stop() noexcept {
  active_ = false;
  // The expiry ends the pending read; its completion then finds the source inactive.
  if (armed_) set(std::chrono::nanoseconds(1));
}

}  // namespace viridian::io
