#include "bench/vhd_load.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <liburing.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include "bench/user_time.h"
#include "vhd/image.h"
#include "vhd/open_disk.h"

namespace viridian::bench {
namespace {

double now() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

double seconds_of(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
}

// What has been used between its construction and stop().
class Meter {
 public:
  Meter() : start_(now()), user_ns_(user_time_ns()) { ::getrusage(RUSAGE_SELF, &usage_); }
  double elapsed() const { return now() - start_; }
  Cost stop(uint64_t count) const {
    rusage end{};
    ::getrusage(RUSAGE_SELF, &end);
    const auto all = [](const rusage& usage) {
      return seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
    };
    return {count, elapsed(), static_cast<double>(user_time_ns() - user_ns_) * 1e-9,
            all(end) - all(usage_)};
  }

 private:
  double start_;
  uint64_t user_ns_;
  rusage usage_{};
};

}  // namespace

void give_up(const std::string& what) {
  fmt::print(stderr, "vhd_speed: {}\n", what);
  std::exit(2);
}

Buffers::Buffers()
    : memory_(static_cast<std::byte*>(std::aligned_alloc(4096, kBytes)),
              [](std::byte* memory) { std::free(memory); }) {
  if (!memory_) give_up("out of memory");
  for (size_t i = 0; i < kBytes; ++i)
    memory_[i] = static_cast<std::byte>(i * 31 + (i >> 12));
}

// --- the engine ----------------------------------------------------------------------------------

EngineLoop::EngineLoop(const std::string& path, bool read_only) {
  auto reactor = io::Reactor::create();
  if (!reactor) give_up(reactor.error().message);
  reactor_ = std::move(*reactor);
  vhd::DiskOptions options;
  options.read_only = read_only;
  options.lock = false;  // the reference has the same file open
  auto disk = vhd::open_disk(*reactor_, path, options);
  if (!disk) give_up(disk.error().message);
  disk_ = std::move(*disk);
}

EngineLoop::EngineLoop(EngineLoop& first) {
  auto reactor = io::Reactor::create();
  if (!reactor) give_up(reactor.error().message);
  reactor_ = std::move(*reactor);
  auto view = vhd::open_second_queue(*first.disk_, *reactor_);
  if (!view) give_up(view.error().message);
  disk_ = std::move(*view);
}

EngineLoop::~EngineLoop() = default;

Cost EngineLoop::run(const Work& work, const Buffers& buffers) {
  struct State {
    io::BlockDevice& disk;
    const Work& work;
    Places places;
    uint64_t started = 0;
    uint64_t ended = 0;
    bool stop = false;
  } state{*disk_, work, Places(work)};
  struct Slot : io::IoRequest {
    State* state = nullptr;
    iovec part{};
    void start() noexcept {
      ++state->started;
      sector = state->places.next() / io::kSectorSize;
      state->disk.submit(*this);
    }
  };
  std::vector<Slot> slots(work.depth);
  const Meter meter;
  for (uint32_t i = 0; i < work.depth; ++i) {
    Slot& slot = slots[i];
    slot.state = &state;
    slot.op = work.is_write ? io::IoOp::kWrite : io::IoOp::kRead;
    slot.sector_count = work.bytes / io::kSectorSize;
    slot.part = {buffers.at(i, work.bytes), work.bytes};
    slot.data = {&slot.part, 1};
    slot.done = [](io::IoRequest& request) noexcept {
      auto& self = static_cast<Slot&>(request);
      if (self.status != io::IoStatus::kOk) give_up("a request to the engine failed");
      State& at = *self.state;
      ++at.ended;
      if (!at.stop && at.started < at.work.max_count) self.start();
    };
    if (state.started < work.max_count) slot.start();
  }
  while (state.ended < state.started) {
    reactor_->turn(true);
    state.stop = meter.elapsed() >= work.seconds;
  }
  if (work.flush_at_end) flush();
  return meter.stop(state.ended);
}

void EngineLoop::flush() {
  struct Flush : io::IoRequest {
    bool ended = false;
  } flush;
  flush.op = io::IoOp::kFlush;
  flush.done = [](io::IoRequest& request) noexcept { static_cast<Flush&>(request).ended = true; };
  disk_->submit(flush);
  reactor_->run_until([&] { return flush.ended; });
  if (flush.status != io::IoStatus::kOk) give_up("a flush of the engine failed");
}

// --- the bare loop -------------------------------------------------------------------------------

struct BareLoop::Ring {
  io_uring uring{};
  ~Ring() { io_uring_queue_exit(&uring); }
};

BareLoop::BareLoop(const std::string& path, bool read_only, std::vector<uint64_t> block_offsets,
                   uint64_t block_bytes)
    : ring_(std::make_unique<Ring>()),
      block_offsets_(std::move(block_offsets)),
      block_bytes_(block_bytes) {
  const int access = (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC;
  fd_ = UniqueFd(::open(path.c_str(), access | O_DIRECT));
  if (!fd_) fd_ = UniqueFd(::open(path.c_str(), access));
  if (!fd_) give_up(fmt::format("{}: {}", path, std::strerror(errno)));
  if (io_uring_queue_init(256, &ring_->uring,
                          IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN) != 0 &&
      io_uring_queue_init(256, &ring_->uring, 0) != 0) {
    give_up("io_uring: not available");
  }
}

BareLoop::BareLoop(BareLoop&& other) noexcept = default;
BareLoop::~BareLoop() = default;

Cost BareLoop::run(const Work& work, const Buffers& buffers) {
  io_uring& ring = ring_->uring;
  Places places(work);
  uint64_t started = 0, ended = 0;
  bool stop = false;
  const auto start = [&](uint64_t slot) {
    ++started;
    const uint64_t offset = file_offset(places.next());
    io_uring_sqe* sqe = io_uring_get_sqe(&ring);
    std::byte* memory = buffers.at(static_cast<uint32_t>(slot), work.bytes);
    if (work.is_write) {
      io_uring_prep_write(sqe, fd_.get(), memory, work.bytes, offset);
    } else {
      io_uring_prep_read(sqe, fd_.get(), memory, work.bytes, offset);
    }
    io_uring_sqe_set_data64(sqe, slot);
  };
  const Meter meter;
  for (uint32_t i = 0; i < work.depth && started < work.max_count; ++i)
    start(i);
  std::array<io_uring_cqe*, 64> batch;
  while (ended < started) {
    io_uring_submit_and_wait(&ring, 1);
    unsigned count;
    while ((count = io_uring_peek_batch_cqe(&ring, batch.data(), batch.size())) > 0) {
      std::array<uint64_t, 64> slots;
      for (unsigned i = 0; i < count; ++i) {
        slots[i] = io_uring_cqe_get_data64(batch[i]);
        if (batch[i]->res != static_cast<int>(work.bytes)) give_up("a bare request failed");
      }
      io_uring_cq_advance(&ring, count);
      ended += count;
      for (unsigned i = 0; i < count && !stop && started < work.max_count; ++i)
        start(slots[i]);
    }
    stop = meter.elapsed() >= work.seconds;
  }
  if (work.flush_at_end && ::fdatasync(fd_.get()) != 0) give_up("fdatasync failed");
  return meter.stop(ended);
}

BareLoop bare_loop_on_image(const std::string& path, bool read_only) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) give_up(fmt::format("{}: {}", path, std::strerror(errno)));
  const auto image = vhd::load_image(fd.get(), path);
  if (!image) give_up(image.error().message);
  std::vector<uint64_t> offsets;
  for (uint32_t entry : image->bat)
    offsets.push_back(uint64_t{entry} * io::kSectorSize + image->bitmap_bytes);
  return {path, read_only, std::move(offsets), std::max(image->block_size, 1u)};
}

}  // namespace viridian::bench
