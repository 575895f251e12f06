// ChainDisk: what happens without a guest's asking: the commit after a while, and the end.
//
// A guest that never flushes does not ask for durability, but when the worker is killed a raw file
// would keep what was written, and so changes of metadata wait for a few seconds at most.
#include <cerrno>

#include "vhd/chain_disk.h"
#include "vhd/disk_view.h"

namespace viridian::vhd {

void ChainDisk::arm_timer() noexcept {
  if (limits_.commit_after_ms == 0) return;
  constexpr uint32_t kMsPerSecond = 1000;
  constexpr uint32_t kNsPerMs = 1'000'000;
  timer_.is_armed = true;
  timer_.time.tv_sec = limits_.commit_after_ms / kMsPerSecond;
  timer_.time.tv_nsec = (limits_.commit_after_ms % kMsPerSecond) * kNsPerMs;
  timer_.run = [](io::Completion& completion) noexcept {
    static_cast<OwnCompletion&>(completion).disk->on_timer();
  };
  reactor_.start(timer_,
                 [this](io_uring_sqe* sqe) { io_uring_prep_timeout(sqe, &timer_.time, 0, 0); });
}

void ChainDisk::on_timer() noexcept {
  timer_.is_armed = false;
  // A timer that was cancelled may be told of after its cancellation.
  if (timer_.result != -ETIME || timer_cancel_.is_armed || committer_->failed()) return;
  if (committer_->busy()) {
    arm_timer();  // the commit that runs may not know of the last changes
  } else if (!committer_->is_clean()) {
    committer_->start_unasked();
  }
}

void ChainDisk::cancel_timer() noexcept {
  if (!timer_.is_armed) return;
  timer_cancel_.is_armed = true;
  timer_cancel_.run = [](io::Completion& completion) noexcept {
    static_cast<OwnCompletion&>(completion).is_armed = false;
  };
  // The ring knows an operation by its completion's address as a number.
  const auto id = reinterpret_cast<uintptr_t>(static_cast<io::Completion*>(&timer_));
  reactor_.start(timer_cancel_,
                 [id](io_uring_sqe* sqe) { io_uring_prep_timeout_remove(sqe, id, 0); });
}

ChainDisk::~ChainDisk() {
  const auto wait = [this] {
    reactor_.run_until([this] {
      return !pump_.is_armed && !timer_.is_armed && !timer_cancel_.is_armed &&
             !grace_.is_posted() && !committer_->busy() && (!allocator_ || !allocator_->busy());
    });
  };
  cancel_timer();
  wait();
  if (written_ || view_wrote_.load()) {
    committer_->start_unasked();
    wait();
  }
  if (!allocator_) return;
  // A file whose last commit failed keeps its slack: the next open uses it.
  if (!committer_->failed()) (void)allocator_->close();
}

Result<std::unique_ptr<io::BlockDevice>> ChainDisk::open_view(io::Reactor& reactor) {
  std::vector<std::unique_ptr<io::File>> files;
  for (const Layer& layer : layers_) {
    auto file = layer.file().again(reactor);
    if (!file) return Unexpected(std::move(file).error());
    files.push_back(std::move(*file));
  }
  auto view = DiskView::create(*this, reactor, std::move(files));
  if (!view) return Unexpected(std::move(view).error());
  return std::unique_ptr<io::BlockDevice>(std::move(*view));
}

}  // namespace viridian::vhd
