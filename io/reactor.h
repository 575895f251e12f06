// One thread, one io_uring: starts kernel operations and runs their completions.
//
// Completions run one after another on the thread inside run() or run_until(), never inside the
// call that started them, so a callback may start, defer and free whatever it likes without
// recursion. The reactor owns no request memory and allocates nothing after create().
// Every member but post() belongs to the reactor's thread: the one that first turns it.
//
// A thread with a loop of its own (epoll, GLib, libuv) waits for event_fd() there and calls drive()
// when it is readable, instead of run().
#pragma once

#include <liburing.h>

#include <atomic>
#include <memory>
#include <stop_token>

#include "base/result.h"
#include "io/completion.h"
#include "io/unique_fd.h"

namespace viridian::io {

// Looks for work that no kernel completion announces, such as a ring in shared memory.
class Poller : public detail::ReadyHook {
 public:
  virtual ~Poller() = default;
  virtual bool poll() noexcept = 0;  // true if it did work: the reactor then does not sleep
};

// Who turns a reactor. kByOneThread is the cheaper one where the kernel knows it (6.0, 6.1).
enum class Turned : uint8_t {
  kByOneThread,
  kByAnyThread,  // one at a time, and what one did has happened before the next one starts
};

class Reactor {
 public:
  // kUnsupported if the kernel has no io_uring or forbids it.
  static Result<std::unique_ptr<Reactor>> create(unsigned entries = 256,
                                                 Turned turned = Turned::kByOneThread);
  ~Reactor();
  Reactor(const Reactor&) = delete;
  Reactor& operator=(const Reactor&) = delete;

  // Starts one kernel operation, which ends once: `fill` gets an io_uring_sqe* and prepares it. The
  // next turn submits it, together with all others; if the queue is full it is submitted at once.
  template <class Fill>
  void start(Completion& completion, Fill&& fill) noexcept {
    io_uring_sqe* sqe = take_sqe();
    fill(sqe);
    io_uring_sqe_set_data(sqe, &completion);
  }

  // The same if the queue has room; else false, and nothing happened.
  template <class Fill>
  bool try_start(Completion& completion, Fill&& fill) noexcept {
    io_uring_sqe* sqe = free_sqe();
    if (sqe == nullptr) [[unlikely]]
      return false;
    fill(sqe);
    io_uring_sqe_set_data(sqe, &completion);
    return true;
  }

  // Runs `completion` after everything that is ready now, before the reactor sleeps.
  void defer(Completion& completion) noexcept { ready_.push_back(completion); }

  // From any thread: runs `completion` on the reactor's thread. Posts of one thread stay in order.
  void post(Completion& completion) noexcept;

  void attach(Poller& poller) { pollers_.push_front(poller); }
  void detach(Poller& poller) { pollers_.erase(pollers_.iterator_to(poller)); }

  // Turns until a stop is requested. Sleeps in the kernel while nothing is ready.
  void run(const std::stop_token& stop) noexcept;

  // Turns until `done()`: for tools and tests that wait for one operation.
  template <class Done>
  void run_until(Done&& done) noexcept {
    while (!done())
      turn(true);
  }

  // Once: what was posted, the pollers, submit, reap, run what is ready. With `may_sleep` it waits
  // for the first event if there is nothing to do; it never sleeps after a callback has run.
  void turn(bool may_sleep) noexcept;

  // A descriptor that becomes readable when drive() has something to do. The same one each time;
  // the reactor's own, for waiting only. To be called before another thread posts.
  Result<int> event_fd();

  // Turns without waiting until nothing is ready, then returns; after a number of turns it returns
  // in any case and leaves event_fd() readable. Pollers are asked in each turn and keep nobody
  // awake.
  void drive() noexcept;
  // To be called after starting operations outside of drive(): hands them to the kernel, and leaves
  // event_fd() readable if something is ready.
  void submit_started() noexcept;

  // Makes event_fd() readable, for who has work for the loop that the reactor does not know of.
  void ring_event_fd() noexcept;

  // Operations started and not yet reaped. The reactor's own wake-up is not counted. Each entry of
  // the one queue makes one of the other, so their positions tell.
  unsigned in_flight() const noexcept {
    return ring_.sq.sqe_tail - *ring_.cq.khead - (is_wake_out_ ? 1 : 0);
  }

  // Calls into the kernel to submit or to wait, for counting what a path costs.
  uint64_t enter_count() const noexcept { return enter_count_; }

 private:
  using ReadyList = boost::intrusive::slist<Completion, boost::intrusive::cache_last<true>,
                                            boost::intrusive::constant_time_size<false>>;
  using PollerList = boost::intrusive::slist<Poller, boost::intrusive::constant_time_size<false>>;

  Reactor() = default;
  Result<void> set_up(unsigned entries, Turned turned);
  void enable() noexcept;
  bool has_work() const noexcept;
  io_uring_sqe* take_sqe() noexcept {
    io_uring_sqe* sqe = free_sqe();
    while (sqe == nullptr)
      [[unlikely]] {
        make_room();
        sqe = free_sqe();
      }
    return sqe;
  }
  // As io_uring_get_sqe(), for the one kind of ring that set_up() makes.
  io_uring_sqe* free_sqe() noexcept {
    io_uring_sq& queue = ring_.sq;
    if (queue.sqe_tail - *queue.khead >= queue.ring_entries) [[unlikely]]
      return nullptr;
    return &queue.sqes[queue.sqe_tail++ & queue.ring_mask];
  }
  void make_room() noexcept;
  void enter(bool wait) noexcept;
  unsigned look_for_ended() noexcept;
  Completion& take_ended() noexcept;
  bool take_inbox() noexcept;
  void run_ready() noexcept;
  void wake() noexcept;
  void arm_wake() noexcept;

  io_uring ring_{};
  bool ring_ready_ = false;    // the ring exists
  bool ring_enabled_ = false;  // and is bound to the thread that turns it
  bool is_wake_out_ = false;   // the reactor's own read of wake_fd_
  uint64_t enter_count_ = 0;
  ReadyList ready_;
  PollerList pollers_;
  std::atomic<Completion*> inbox_{nullptr};
  std::atomic<bool> asleep_{false};
  UniqueFd event_fd_;  // if somebody asked for it
  UniqueFd wake_fd_;
  uint64_t wake_value_ = 0;
  struct Wake : Completion {
    Reactor* reactor = nullptr;
  } wake_;
};

}  // namespace viridian::io
