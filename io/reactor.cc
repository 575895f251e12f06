#include "io/reactor.h"

#include <sys/eventfd.h>
#include <sys/syscall.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>

namespace viridian::io {
namespace {

// How often a turn runs callbacks: what is ready, then what the callbacks before deferred.
constexpr unsigned kRoundsPerTurn = 8;

// Kernel 6.1 has all of these, 6.0 all but the last, older ones none: the best set that works.
constexpr std::array<unsigned, 3> kSetUpFlags = {
    IORING_SETUP_R_DISABLED | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
        IORING_SETUP_TASKRUN_FLAG,
    IORING_SETUP_R_DISABLED | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN |
        IORING_SETUP_TASKRUN_FLAG,
    IORING_SETUP_R_DISABLED,
};

// How many turns drive() takes before it lets the caller's loop look at something else.
constexpr unsigned kDriveTurns = 64;

void ring(int event_fd) noexcept {
  const uint64_t one = 1;
  // The counter is never full: it would take 2^64 rings that nobody reads.
  [[maybe_unused]] const ssize_t written = ::write(event_fd, &one, sizeof(one));
}

// Asks the processor for what the callbacks of the entries up to `last` will look at first: the
// kernel's work has driven it out of the nearest cache.
void fetch_ended(const io_uring_cq& queue, unsigned last) noexcept {
  constexpr size_t kLineBytes = 64;
  for (unsigned at = *queue.khead; at != last; ++at) {
    const void* request = io_uring_cqe_get_data(&queue.cqes[at & queue.ring_mask]);
    __builtin_prefetch(request, 1);
    __builtin_prefetch(static_cast<const std::byte*>(request) + kLineBytes, 1);
  }
}

}  // namespace

Result<std::unique_ptr<Reactor>> Reactor::create(unsigned entries, Turned turned) {
  std::unique_ptr<Reactor> reactor(new Reactor);  // set-up
  VIRIDIAN_TRY(reactor->set_up(entries, turned));
  return reactor;
}

Result<void> Reactor::set_up(unsigned entries, Turned turned) {
  int error = 0;
  for (unsigned flags : kSetUpFlags) {
    // All but the last bind the ring, or the end of its operations, to one thread.
    if (turned == Turned::kByAnyThread && flags != kSetUpFlags.back()) continue;
    error = io_uring_queue_init(entries, &ring_, flags);
    if (error != -EINVAL) break;
  }
  if (error < 0) {
    return fail(ErrorKind::kUnsupported,
                "io_uring: {}; it needs Linux 5.10 or later and kernel.io_uring_disabled=0",
                ::strerrordesc_np(-error));
  }
  ring_ready_ = true;
  wake_fd_ = UniqueFd(::eventfd(0, EFD_CLOEXEC));
  if (!wake_fd_) return fail_errno("eventfd", errno);
  wake_.reactor = this;
  wake_.run = [](Completion& completion) noexcept {
    Reactor& reactor = *static_cast<Wake&>(completion).reactor;
    reactor.is_wake_out_ = false;
    reactor.arm_wake();
  };
  return {};
}

Reactor::~Reactor() {
  if (ring_ready_) io_uring_queue_exit(&ring_);
}

void Reactor::arm_wake() noexcept {
  start(wake_, [this](io_uring_sqe* sqe) {
    io_uring_prep_read(sqe, wake_fd_.get(), &wake_value_, sizeof(wake_value_), 0);
  });
  is_wake_out_ = true;
}

// For a full queue. If the kernel takes nothing because its completion queue overflowed, reaping
// makes room; completions are only listed here, so nothing runs inside a start().
void Reactor::make_room() noexcept {
  enter(false);
  for (unsigned left = look_for_ended(); left > 0; --left) {
    Completion& completion = take_ended();
    if (&completion == &wake_) is_wake_out_ = false;
    ready_.push_back(completion);
  }
}

// Binds a SINGLE_ISSUER ring to this thread. By system call: liburing 2.3 declares
// io_uring_enable_rings() but its shared library does not export it.
void Reactor::enable() noexcept {
  if (ring_enabled_) return;
  ::syscall(__NR_io_uring_register, ring_.ring_fd, IORING_REGISTER_ENABLE_RINGS, nullptr, 0);
  ring_enabled_ = true;
  arm_wake();
}

void Reactor::enter(bool wait) noexcept {
  enable();
  ++enter_count_;
  // EINTR, EAGAIN and EBUSY leave the unsubmitted entries in the queue for the next turn.
  if (wait) {
    io_uring_submit_and_wait(&ring_, 1);
  } else {
    io_uring_submit_and_get_events(&ring_);
  }
}

// How many completions the kernel has for us. Only where there is none may this be a call into the
// kernel, for what it keeps elsewhere.
unsigned Reactor::look_for_ended() noexcept {
  const unsigned count = io_uring_cq_ready(&ring_);
  if (count > 0) [[likely]]
    return count;
  io_uring_cqe* cqe = nullptr;
  return io_uring_peek_batch_cqe(&ring_, &cqe, 1) == 0 ? 0 : io_uring_cq_ready(&ring_);
}

// Takes the first of those out of the queue.
inline Completion& Reactor::take_ended() noexcept {
  unsigned* head = ring_.cq.khead;
  const unsigned at = *head;
  const io_uring_cqe& cqe = ring_.cq.cqes[at & ring_.cq.ring_mask];
  auto& completion = *static_cast<Completion*>(io_uring_cqe_get_data(&cqe));
  completion.result = cqe.res;
  io_uring_smp_store_release(head, at + 1);  // the kernel may use the entry again
  return completion;
}

void Reactor::post(Completion& completion) noexcept {
  Completion* head = inbox_.load(std::memory_order_relaxed);
  do {
    completion.inbox_next = head;
    // Pairs with the acquire in take_inbox(): what the poster wrote is seen by the callback.
  } while (!inbox_.compare_exchange_weak(head, &completion, std::memory_order_seq_cst,
                                         std::memory_order_relaxed));
  // Who finds the inbox empty rings for all until it is taken.
  if (event_fd_ && head == nullptr) ring(event_fd_.get());
  // Pairs with turn(): either the reactor sees the entry before it sleeps, or we see it asleep.
  if (asleep_.load(std::memory_order_seq_cst)) wake();
}

void Reactor::wake() noexcept {
  if (!asleep_.exchange(false, std::memory_order_seq_cst)) return;
  ring(wake_fd_.get());
}

bool Reactor::take_inbox() noexcept {
  // An exchange is dear, and each turn comes by here; turn() looks again before it sleeps.
  if (inbox_.load(std::memory_order_relaxed) == nullptr) return false;
  Completion* head = inbox_.exchange(nullptr, std::memory_order_acquire);
  Completion* oldest = nullptr;
  while (head != nullptr) {
    Completion* next = head->inbox_next;
    head->inbox_next = oldest;
    oldest = head;
    head = next;
  }
  for (; oldest != nullptr; oldest = oldest->inbox_next)
    ready_.push_back(*oldest);
  return true;
}

void Reactor::run_ready() noexcept {
  // Only what is ready now: what these callbacks defer runs in the next round.
  ReadyList batch;
  batch.swap(ready_);
  while (!batch.empty()) {
    Completion& completion = batch.front();
    batch.pop_front();
    completion.run(completion);
  }
}

void Reactor::turn(bool may_sleep) noexcept {
  bool is_busy = take_inbox();
  is_busy |= !ready_.empty();
  for (auto it = pollers_.begin(); it != pollers_.end();) {
    Poller& poller = *it++;  // a poller may detach itself
    is_busy |= poller.poll();
  }
  is_busy |= !ready_.empty();

  if (is_busy || !may_sleep) {
    if (io_uring_sq_ready(&ring_) > 0 || !ring_enabled_) enter(false);
  } else {
    asleep_.store(true, std::memory_order_seq_cst);
    if (inbox_.load(std::memory_order_seq_cst) == nullptr) enter(true);
    asleep_.store(false, std::memory_order_relaxed);
  }
  // Callbacks come last: what they start is submitted by the next turn's one call into the kernel,
  // which also waits, and between the turns the caller sees what they did.
  const unsigned last = *ring_.cq.khead + look_for_ended();
  fetch_ended(ring_.cq, last);
  if (!ready_.empty()) run_ready();
  // A callback that fills the queue lists the rest of them behind what is ready.
  while (static_cast<int>(last - *ring_.cq.khead) > 0) {
    Completion& completion = take_ended();
    completion.run(completion);
  }
  for (unsigned round = 1; round < kRoundsPerTurn && !ready_.empty(); ++round)
    run_ready();
}

Result<int> Reactor::event_fd() {
  if (event_fd_) return event_fd_.get();
  UniqueFd fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!fd) return fail_errno("eventfd", errno);
  enable();
  const int error = io_uring_register_eventfd(&ring_, fd.get());
  if (error < 0) return fail_errno("io_uring: registering an eventfd", -error);
  event_fd_ = std::move(fd);
  ring(event_fd_.get());  // for what was started, or became ready, before
  return event_fd_.get();
}

void Reactor::ring_event_fd() noexcept {
  if (event_fd_) ring(event_fd_.get());
}

bool Reactor::has_work() const noexcept {
  return !ready_.empty() || inbox_.load(std::memory_order_relaxed) != nullptr ||
         io_uring_sq_ready(&ring_) > 0 || io_uring_cq_ready(&ring_) > 0;
}

void Reactor::drive() noexcept {
  uint64_t rings = 0;
  // Before looking, so that what comes after the look rings again.
  if (event_fd_) (void)!::read(event_fd_.get(), &rings, sizeof(rings));
  for (unsigned turns = 0; turns < kDriveTurns; ++turns) {
    turn(false);
    if (!has_work()) return;
  }
  ring_event_fd();
}

void Reactor::submit_started() noexcept {
  turn(false);
  if (has_work()) ring_event_fd();
}

void Reactor::run(const std::stop_token& stop) noexcept {
  std::stop_callback wake_up(stop, [this] {
    asleep_.store(true, std::memory_order_seq_cst);
    wake();
  });
  while (!stop.stop_requested())
    turn(true);
}

}  // namespace viridian::io
