#include "vhd/capi/handle.h"

#include <unistd.h>

#include <cerrno>
#include <filesystem>

namespace viridian::vhd::capi {
namespace {

constexpr uint32_t kDefaultQueueDepth = 256;
constexpr uint32_t kMaxQueueDepth = 4096;
constexpr uint32_t kOpenFlags = VIRIDIAN_VHD_READ_ONLY | VIRIDIAN_VHD_PAGE_CACHE |
                                VIRIDIAN_VHD_NO_LOCK | VIRIDIAN_VHD_ALLOW_PARENT_OUTSIDE |
                                VIRIDIAN_VHD_WRITE_PARENT | VIRIDIAN_VHD_IGNORE_PARENT_ID |
                                VIRIDIAN_VHD_ONE_THREAD;

int this_thread() noexcept {
  thread_local const int id = ::gettid();
  return id;
}

Outcome<DiskOptions> disk_options(const viridian_vhd_open_options& options) {
  if ((options.flags & ~kOpenFlags) != 0) {
    return refuse(EINVAL, "open_options: flags: {:#x} are unknown", options.flags & ~kOpenFlags);
  }
  const auto has = [&](uint32_t flag) { return (options.flags & flag) != 0; };
  DiskOptions result;
  result.read_only = has(VIRIDIAN_VHD_READ_ONLY);
  if (has(VIRIDIAN_VHD_PAGE_CACHE)) result.cache = io::CacheMode::kWriteback;
  result.lock = !has(VIRIDIAN_VHD_NO_LOCK);
  const auto format = format_of(options.format);
  if (!format) return tl::unexpected<Failure>(format.error());
  result.policy.format = *format;
  result.policy.allow_parent_outside = has(VIRIDIAN_VHD_ALLOW_PARENT_OUTSIDE);
  result.policy.write_parent = has(VIRIDIAN_VHD_WRITE_PARENT);
  result.policy.ignore_parent_mismatch = has(VIRIDIAN_VHD_IGNORE_PARENT_ID);
  if (options.parent != nullptr) result.policy.parent_override = options.parent;
  return result;
}

}  // namespace

Outcome<Format> format_of(uint32_t format) {
  if (format == VIRIDIAN_VHD_FORMAT_AUTO) return Format::kAuto;
  if (format == VIRIDIAN_VHD_FORMAT_VHD) return Format::kVhd;
  if (format == VIRIDIAN_VHD_FORMAT_RAW) return Format::kRaw;
  return refuse(EINVAL, "options: format: {} is unknown", format);
}

Outcome<std::unique_ptr<Handle>> Handle::make(bool one_thread, uint32_t queue_depth) {
  if (queue_depth > kMaxQueueDepth) {
    return refuse(EINVAL, "options: queue_depth: {} is more than {}", queue_depth, kMaxQueueDepth);
  }
  std::unique_ptr<Handle> handle(new Handle);
  handle->one_thread_ = one_thread;
  auto reactor =
      io::Reactor::create(256, one_thread ? io::Turned::kByOneThread : io::Turned::kByAnyThread);
  if (!reactor) return failure_of(reactor.error());
  handle->reactor_ = std::move(*reactor);
  handle->slots_ = std::vector<Slot>(queue_depth == 0 ? kDefaultQueueDepth : queue_depth);
  for (Slot& slot : handle->slots_) {
    slot.handle = handle.get();
    handle->free_.push_back(slot);
  }
  return handle;
}

Outcome<std::unique_ptr<Handle>> Handle::open(const std::string& path,
                                              const viridian_vhd_open_options& options) {
  auto disk = disk_options(options);
  if (!disk) return tl::unexpected<Failure>(disk.error());
  auto made = make((options.flags & VIRIDIAN_VHD_ONE_THREAD) != 0, options.queue_depth);
  if (!made) return made;
  Handle& handle = **made;
  std::error_code error;
  handle.path_ = std::filesystem::absolute(path, error).string();
  if (error) return refuse(error.value(), "{}: {}", path, error.message());
  handle.options_ = std::move(*disk);
  auto opened = open_disk(*handle.reactor_, path, handle.options_, &handle.description_);
  if (!opened) return failure_of(opened.error());
  handle.disk_ = std::move(*opened);
  return made;
}

Outcome<std::unique_ptr<Handle>> Handle::open_queue(const viridian_vhd_queue_options& options) {
  if (auto ok = usable(); !ok) return tl::unexpected<Failure>(ok.error());
  if (first_ != nullptr) {
    return refuse(EINVAL, "disk: {}: is a second queue; give the handle it was made of", path_);
  }
  if ((options.flags & ~uint32_t{VIRIDIAN_VHD_ONE_THREAD}) != 0) {
    return refuse(EINVAL, "queue_options: flags: {:#x} are unknown", options.flags);
  }
  auto made = make((options.flags & VIRIDIAN_VHD_ONE_THREAD) != 0, options.queue_depth);
  if (!made) return made;
  Handle& queue = **made;
  // Before the other thread posts: what it posts rings this descriptor.
  if (const auto fd = reactor_->event_fd(); !fd) return failure_of(fd.error());
  auto view = open_second_queue(*disk_, *queue.reactor_);
  if (!view) return failure_of(view.error());
  queue.disk_ = std::move(*view);
  queue.path_ = path_;
  queue.description_.type = description_.type;
  queue.description_.block_size = description_.block_size;
  queue.description_.layers = description_.layers;
  queue.first_ = this;
  ++queue_count_;
  return made;
}

Handle::~Handle() {
  disk_.reset();
  if (first_ != nullptr) --first_->queue_count_;
}

Outcome<int> Handle::usable() {
  if (closing_) return refuse(ESHUTDOWN, "{}: is being closed", path_);
  if (!disk_) return refuse(ENOTCONN, "{}: was lost by a snapshot that failed; close it", path_);
  if (one_thread_) {
    if (owner_ == 0) owner_ = this_thread();
    if (owner_ != this_thread()) {
      return refuse(EPERM, "{}: belongs to thread {}; open it without ONE_THREAD", path_, owner_);
    }
  }
  if (first_ == nullptr || is_announced_) return 0;
  // Before the disk's thread posts what this one's requests came to; on the thread that is to turn
  // the ring.
  if (const auto fd = reactor_->event_fd(); !fd) return failure_of(fd.error());
  is_announced_ = true;
  return 0;
}

Outcome<int> Handle::no_queue_is_open() const {
  const uint32_t count = queue_count_.load();
  if (count == 0) return 0;
  return refuse(EBUSY, "{}: {} second queues are open; close them first", path_, count);
}

Outcome<viridian_vhd_info> Handle::info() const {
  if (!disk_) return refuse(ENOTCONN, "{}: was lost by a snapshot that failed; close it", path_);
  const io::DiskInfo disk = disk_->info();
  viridian_vhd_info info = {};
  switch (description_.type) {
    case ImageType::kRaw:
      info.kind = VIRIDIAN_VHD_RAW;
      break;
    case ImageType::kFixed:
      info.kind = VIRIDIAN_VHD_FIXED;
      break;
    case ImageType::kDynamic:
      info.kind = VIRIDIAN_VHD_DYNAMIC;
      break;
    case ImageType::kDifferencing:
      info.kind = VIRIDIAN_VHD_DIFFERENCING;
      break;
  }
  info.size_bytes = disk.sector_count * io::kSectorSize;
  info.block_size = description_.block_size;
  info.layers = description_.layers;
  info.physical_sector_size = disk.physical_sector_size;
  info.discard_granularity = disk.discard_granularity * io::kSectorSize;
  std::copy(disk.unique_id.begin(), disk.unique_id.end(), info.unique_id);
  info.read_only = disk.read_only ? 1 : 0;
  return info;
}

io::IoStatus Handle::wait_for(io::IoRequest& request) noexcept {
  struct Wait : io::IoRequest {
    bool ended = false;
  } wait;
  static_cast<io::IoRequest&>(wait) = request;
  wait.done = [](io::IoRequest& self) noexcept { static_cast<Wait&>(self).ended = true; };
  if (request.op != io::IoOp::kRead && request.op != io::IoOp::kFlush) note_write();
  disk_->submit(wait);
  reactor_->run_until([&] { return wait.ended; });
  request.status = wait.status;
  return request.status;
}

Outcome<int> Handle::run(io::IoRequest& request) {
  if (auto ok = usable(); !ok) return ok;
  const io::IoStatus status = wait_for(request);
  settle();
  if (status == io::IoStatus::kOk) return 0;
  return tl::unexpected<Failure>(failure_of(request, code_of(status), path_, disk_->info()));
}

Outcome<int> Handle::prepare(const viridian_vhd_request& request, io::IoRequest& out) const {
  if (request.done == nullptr) return refuse(EINVAL, "request: done: is NULL");
  const bool write = request.op == VIRIDIAN_VHD_OP_WRITE;
  const uint32_t known = write ? uint32_t{VIRIDIAN_VHD_FUA} : 0;
  if ((request.flags & ~known) != 0) {
    return refuse(EINVAL, "request: flags: {:#x} do not go with its op", request.flags);
  }
  out.fua = request.flags != 0;
  out.data = {};
  out.sector = 0;
  out.sector_count = 0;
  switch (request.op) {
    case VIRIDIAN_VHD_OP_READ:
    case VIRIDIAN_VHD_OP_WRITE:
      out.op = write ? io::IoOp::kWrite : io::IoOp::kRead;
      return set_data(out, request.iov, request.iov_count, request.offset);
    case VIRIDIAN_VHD_OP_FLUSH:
      out.op = io::IoOp::kFlush;
      return 0;
    case VIRIDIAN_VHD_OP_DISCARD:
      out.op = io::IoOp::kDiscard;
      return set_range(out, request.offset, request.length);
    case VIRIDIAN_VHD_OP_WRITE_ZEROES:
      out.op = io::IoOp::kWriteZeroes;
      return set_range(out, request.offset, request.length);
    default:
      return refuse(EINVAL, "request: op: {} is unknown", request.op);
  }
}

void Handle::start(Slot& slot) noexcept {
  ++in_progress_;
  if (slot.op != io::IoOp::kRead && slot.op != io::IoOp::kFlush) note_write();
  slot.done = [](io::IoRequest& self) noexcept {
    auto& ended = static_cast<Slot&>(self);
    --ended.handle->in_progress_;
    ++ended.handle->finished_count_;
    ended.handle->finished_.push_back(ended);
  };
  disk_->submit(slot);
}

Outcome<int> Handle::submit(viridian_vhd_request* const* requests, int count) {
  if (auto ok = usable(); !ok) return ok;
  if (count < 0 || (requests == nullptr && count > 0)) {
    return refuse(EINVAL, "count: is {}; must not be negative, and requests not NULL", count);
  }
  Outcome<int> stopped = 0;
  int taken = 0;
  for (; taken < count; ++taken) {
    if (free_.empty()) {
      stopped = refuse(EAGAIN, "queue_depth: {} requests are in progress", slots_.size());
      break;
    }
    auto& slot = static_cast<Slot&>(free_.front());
    if (requests[taken] == nullptr) stopped = refuse(EINVAL, "requests: {} is NULL", taken);
    if (stopped) stopped = prepare(*requests[taken], slot);
    if (!stopped) break;
    free_.pop_front();
    slot.request = requests[taken];
    start(slot);
  }
  if (taken == 0 && !stopped) return stopped;
  // What done() submits goes to the kernel together, when all that ended has been told.
  if (!delivering_) reactor_->submit_started();
  settle();
  return taken;
}

Outcome<Failure> Handle::explain(const viridian_vhd_request& request, int result) const {
  if (result >= 0) return Failure{0, ""};
  if (!disk_) return refuse(ENOTCONN, "{}: was lost by a snapshot that failed; close it", path_);
  io::IoRequest made;
  if (const auto ok = prepare(request, made); !ok) return tl::unexpected<Failure>(ok.error());
  constexpr int kMaxErrno = 4095;  // the kernel's MAX_ERRNO
  return failure_of(made, result < -kMaxErrno ? EIO : -result, path_, disk_->info());
}

Outcome<int> Handle::fd() {
  if (auto ok = usable(); !ok) return ok;
  const auto fd = reactor_->event_fd();
  if (!fd) return failure_of(fd.error());
  settle();
  return *fd;
}

// The caller's done() for all that has ended until now. It may throw, if it is C++: then the rest
// is told at the next call.
int Handle::deliver() {
  struct Delivering {
    explicit Delivering(Handle& handle_in) : handle(handle_in) { handle.delivering_ = true; }
    ~Delivering() {
      handle.delivering_ = false;
      handle.settle();
    }
    Handle& handle;
  } delivering(*this);
  int count = 0;
  for (size_t left = finished_count_; left > 0; --left, ++count) {
    auto& slot = static_cast<Slot&>(finished_.front());
    finished_.pop_front();
    --finished_count_;
    free_.push_front(slot);
    slot.request->done(slot.request, -code_of(slot.status));
  }
  return count;
}

Outcome<int> Handle::poll() {
  if (delivering_) return refuse(EBUSY, "viridian_vhd_poll: called from done()");
  if (auto ok = usable(); !ok) return ok;
  reactor_->drive();
  const int count = deliver();
  if (count > 0) reactor_->submit_started();
  settle();
  return count;
}

// Whoever waits at fd() learns of what is left to be told.
void Handle::settle() noexcept {
  if (finished_count_ > 0) reactor_->ring_event_fd();
}

// Every request has ended and is durable.
Outcome<int> Handle::quiesce() {
  reactor_->run_until([this] { return in_progress_ == 0; });
  // What a second queue wrote becomes durable when the disk's own handle is closed.
  if (first_ != nullptr || !wrote_) return 0;
  io::IoRequest flush;
  flush.op = io::IoOp::kFlush;
  if (wait_for(flush) == io::IoStatus::kOk) return 0;
  return tl::unexpected<Failure>(failure_of(flush, code_of(flush.status), path_, disk_->info()));
}

Outcome<int> Handle::close(bool& gone) {
  if (delivering_) return refuse(EBUSY, "viridian_vhd_close: called from done()");
  closing_ = false;  // a close that a throwing done() ended begins again
  Outcome<int> outcome = 0;
  if (disk_) {
    if (auto ok = usable(); !ok) return ok;
    if (auto ok = no_queue_is_open(); !ok) return ok;
    closing_ = true;
    outcome = quiesce();
    while (finished_count_ > 0)
      deliver();
    disk_.reset();
  }
  gone = true;
  return outcome;
}

}  // namespace viridian::vhd::capi
