#include "io/fault_disk.h"

namespace viridian::io {

void FaultDisk::submit(IoRequest& request) noexcept {
  if (held_) {
    waiting_.push_back(&request);
  } else {
    pass(request);
  }
}

void FaultDisk::pass(IoRequest& request) noexcept {
  if (fault_ && fault_->op == request.op) {
    const IoStatus status = fault_->status;
    if (--fault_->count == 0) fault_.reset();
    finish(reactor_, request, status);
    return;
  }
  below_.submit(request);
}

void FaultDisk::release() {
  held_ = false;
  while (!waiting_.empty()) {
    IoRequest& request = *waiting_.front();
    waiting_.pop_front();
    pass(request);
  }
}

}  // namespace viridian::io
