// The machine's PowerControl: remembers the first reason to stop and wakes the main thread.
#pragma once

#include <sys/eventfd.h>

#include <atomic>

#include "base/result.h"
#include "io/unique_fd.h"
#include "vmm-minimal/exit_handlers.h"

namespace viridian::vmm {

class StopSwitch final : public PowerControl {
 public:
  StopSwitch() : event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

  void stop(StopReason reason) noexcept override {
    StopReason none = StopReason::kNone;
    if (!reason_.compare_exchange_strong(none, reason)) return;
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(event_.get(), &one, sizeof(one));
  }

  StopReason reason() const noexcept { return reason_.load(); }
  int event() const noexcept { return event_.get(); }  // readable once stopped

 private:
  UniqueFd event_;
  std::atomic<StopReason> reason_{StopReason::kNone};
};

}  // namespace viridian::vmm
