#include "vhd/nbdkit/disk_thread.h"

#include <future>
#include <semaphore>

namespace viridian::vhd {
namespace {

// Posted to the reactor, then submitted to the disk, then waited for: one after the other.
struct Job : io::IoRequest {
  io::BlockDevice* disk = nullptr;
  std::binary_semaphore ended{0};
};

}  // namespace

Result<std::unique_ptr<DiskThread>> DiskThread::start(const std::string& path,
                                                      const DiskOptions& options) {
  auto reactor = io::Reactor::create();
  if (!reactor) return Unexpected(std::move(reactor).error());
  std::unique_ptr<DiskThread> self(new DiskThread);
  self->reactor_ = std::move(*reactor);
  std::promise<Result<void>> opened;
  auto ready = opened.get_future();
  self->thread_ =
      std::jthread([&opened, &path, &options, raw = self.get()](const std::stop_token& stop) {
        auto disk = open_disk(*raw->reactor_, path, options);
        if (!disk) {
          opened.set_value(Unexpected(std::move(disk).error()));
          return;
        }
        raw->disk_ = std::move(*disk);
        raw->info_ = raw->disk_->info();
        opened.set_value({});  // `opened`, `path` and `options` may be gone from here on
        raw->work(stop);
      });
  auto result = ready.get();
  if (!result) return Unexpected(std::move(result).error());
  return self;
}

void DiskThread::work(const std::stop_token& stop) {
  reactor_->run(stop);
  disk_.reset();  // on the reactor's thread: closing writes
}

DiskThread::~DiskThread() {
  if (!thread_.joinable()) return;
  thread_.request_stop();
  thread_.join();
}

io::IoStatus DiskThread::run(io::IoOp op, uint64_t offset, uint64_t length,
                             std::span<std::byte> bytes, bool fua) {
  const iovec part = {bytes.data(), bytes.size()};
  Job job;
  job.disk = disk_.get();
  job.op = op;
  job.fua = fua;
  job.sector = offset / io::kSectorSize;
  job.sector_count = length / io::kSectorSize;
  if (!bytes.empty()) job.data = {&part, 1};
  job.done = [](io::IoRequest& self) noexcept { static_cast<Job&>(self).ended.release(); };
  job.io::Completion::run = [](io::Completion& self) noexcept {
    auto& posted = static_cast<Job&>(self);
    posted.disk->submit(posted);
  };
  reactor_->post(job);
  job.ended.acquire();
  return job.status;
}

}  // namespace viridian::vhd
