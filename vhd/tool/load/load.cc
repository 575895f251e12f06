#include "vhd/tool/load/load.h"

#include <fcntl.h>
#include <liburing.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include "vhd/open_disk.h"

namespace viridian::vhd::tool {
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
  explicit Meter(const Work& work) : work_(work), start_(now()), user_ns_(user_ns()) {
    ::getrusage(RUSAGE_SELF, &usage_);
  }
  double elapsed() const { return now() - start_; }
  Cost stop(uint64_t count) const {
    rusage end{};
    ::getrusage(RUSAGE_SELF, &end);
    const auto all = [](const rusage& usage) {
      return seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
    };
    return {count, elapsed(), static_cast<double>(user_ns() - user_ns_) * 1e-9,
            all(end) - all(usage_)};
  }

 private:
  uint64_t user_ns() const { return work_.user_time_ns != nullptr ? work_.user_time_ns() : 0; }

  const Work& work_;
  double start_;
  uint64_t user_ns_;
  rusage usage_{};
};

}  // namespace

Buffers::Buffers()
    : memory_(static_cast<std::byte*>(std::aligned_alloc(4096, kBytes)),
              [](std::byte* memory) { std::free(memory); }) {
  if (!memory_) std::abort();  // as operator new does without exceptions
  for (size_t i = 0; i < kBytes; ++i)
    memory_[i] = static_cast<std::byte>(i * 31 + (i >> 12));
}

// --- the engine ----------------------------------------------------------------------------------

Result<EngineLoop> EngineLoop::open(const std::string& path, bool read_only, bool lock,
                                    const OpenPolicy& policy) {
  EngineLoop loop;
  auto reactor = io::Reactor::create();
  if (!reactor) return Unexpected(std::move(reactor).error());
  loop.reactor_ = std::move(*reactor);
  DiskOptions options;
  options.read_only = read_only;
  options.lock = lock;
  options.policy = policy;
  auto disk = open_disk(*loop.reactor_, path, options);
  if (!disk) return Unexpected(std::move(disk).error());
  loop.disk_ = std::move(*disk);
  return loop;
}

Result<EngineLoop> EngineLoop::second(EngineLoop& first) {
  EngineLoop loop;
  auto reactor = io::Reactor::create();
  if (!reactor) return Unexpected(std::move(reactor).error());
  loop.reactor_ = std::move(*reactor);
  auto view = open_second_queue(*first.disk_, *loop.reactor_);
  if (!view) return Unexpected(std::move(view).error());
  loop.disk_ = std::move(*view);
  return loop;
}

Result<Cost> EngineLoop::run(const Work& work, const Buffers& buffers) {
  struct State {
    io::BlockDevice& disk;
    const Work& work;
    Places places;
    uint64_t started = 0;
    uint64_t ended = 0;
    bool stop = false;
    bool failed = false;
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
  const Meter meter(work);
  for (uint32_t i = 0; i < work.depth; ++i) {
    Slot& slot = slots[i];
    slot.state = &state;
    slot.op = work.is_write ? io::IoOp::kWrite : io::IoOp::kRead;
    slot.sector_count = work.bytes / io::kSectorSize;
    slot.part = {buffers.at(i, work.bytes), work.bytes};
    slot.data = {&slot.part, 1};
    slot.done = [](io::IoRequest& request) noexcept {
      auto& self = static_cast<Slot&>(request);
      State& at = *self.state;
      ++at.ended;
      if (self.status != io::IoStatus::kOk) at.stop = at.failed = true;
      if (!at.stop && at.started < at.work.max_count) self.start();
    };
    if (state.started < work.max_count) slot.start();
  }
  while (state.ended < state.started) {
    reactor_->turn(true);
    state.stop |= meter.elapsed() >= work.seconds;
  }
  if (state.failed) return fail(ErrorKind::kIo, "a request to the image failed");
  if (work.flush_at_end) VIRIDIAN_TRY(flush());
  return meter.stop(state.ended);
}

Result<void> EngineLoop::flush() {
  struct Flush : io::IoRequest {
    bool ended = false;
  } flush;
  flush.op = io::IoOp::kFlush;
  flush.done = [](io::IoRequest& request) noexcept { static_cast<Flush&>(request).ended = true; };
  disk_->submit(flush);
  reactor_->run_until([&] { return flush.ended; });
  if (flush.status != io::IoStatus::kOk) return fail(ErrorKind::kIo, "a flush failed");
  return {};
}

// --- the bare loop -------------------------------------------------------------------------------

struct BareLoop::Ring {
  io_uring uring{};
  bool exists = false;
  ~Ring() {
    if (exists) io_uring_queue_exit(&uring);
  }
};

BareLoop::BareLoop(UniqueFd fd, std::unique_ptr<Ring> ring, BlockLayout layout)
    : ring_(std::move(ring)), fd_(std::move(fd)), layout_(std::move(layout)) {}

Result<BareLoop> BareLoop::open(const std::string& path, bool read_only, BlockLayout layout) {
  const int access = (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC;
  UniqueFd fd(::open(path.c_str(), access | O_DIRECT));
  if (!fd) fd = UniqueFd(::open(path.c_str(), access));
  if (!fd) return fail_errno(path, errno);
  auto ring = std::make_unique<Ring>();
  constexpr unsigned kEntries = 256;
  constexpr unsigned kFlags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
  int error = io_uring_queue_init(kEntries, &ring->uring, kFlags);
  if (error == -EINVAL) error = io_uring_queue_init(kEntries, &ring->uring, 0);
  if (error != 0) return fail_errno("io_uring", -error);
  ring->exists = true;
  return BareLoop(std::move(fd), std::move(ring), std::move(layout));
}

BareLoop::BareLoop(BareLoop&& other) noexcept = default;
BareLoop::~BareLoop() = default;

Result<Cost> BareLoop::run(const Work& work, const Buffers& buffers) {
  io_uring& ring = ring_->uring;
  Places places(work);
  uint64_t started = 0, ended = 0;
  bool stop = false;
  bool failed = false;
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
  const Meter meter(work);
  for (uint32_t i = 0; i < work.depth && started < work.max_count; ++i)
    start(i);
  while (ended < started) {
    io_uring_submit_and_wait(&ring, 1);
    unsigned head = 0;
    unsigned count = 0;
    io_uring_cqe* cqe = nullptr;
    io_uring_for_each_cqe(&ring, head, cqe) {
      ++count;
      failed |= cqe->res != static_cast<int>(work.bytes);
      if (!stop && started < work.max_count) start(io_uring_cqe_get_data64(cqe));
    }
    io_uring_cq_advance(&ring, count);
    ended += count;
    stop = failed || meter.elapsed() >= work.seconds;
  }
  if (failed) return fail(ErrorKind::kIo, "a request to the bare file failed");
  if (work.flush_at_end && ::fdatasync(fd_.get()) != 0) return fail_errno("fdatasync", errno);
  return meter.stop(ended);
}

Result<BareLoop> BareLoop::on_image(const std::string& path, bool read_only,
                                    const OpenPolicy& policy) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return fail_errno(path, errno);
  const auto image = load_image(fd.get(), path, policy);
  if (!image) return Unexpected(image.error());
  if (image->block_size == 0) return open(path, read_only);
  std::vector<uint64_t> used;
  for (size_t i = image->bat.next_used(0); i < image->bat.size(); i = image->bat.next_used(i + 1))
    used.push_back(uint64_t{image->bat[i]} * io::kSectorSize + image->bitmap_bytes);
  if (used.empty()) return fail(ErrorKind::kInvalidArgument, "{}: holds no block", path);
  BlockLayout layout;
  layout.block_shift = static_cast<unsigned>(std::countr_zero(image->block_size));
  for (size_t i = 0, next = 0; i < image->bat.size(); ++i) {
    const bool is_used = image->bat[i] != kUnusedEntry;
    layout.block_offsets.push_back(used[next % used.size()]);
    if (is_used) ++next;
  }
  return open(path, read_only, std::move(layout));
}

}  // namespace viridian::vhd::tool
