// An open disk of the C interface: a disk, and a reactor of its own that the caller's calls turn.
//
// A submitted request takes a slot from a fixed pool, so submitting allocates nothing. The
// reactor's completions only put a slot on a list; done() of the caller is called from poll() and
// close(), outside of the reactor, and so may call whatever it likes. One thread at a time.
#pragma once

#include <viridian/vhd.h>

#include <atomic>
#include <memory>
#include <vector>

#include "io/block_device.h"
#include "vhd/capi/failure.h"
#include "vhd/open_disk.h"

namespace viridian::vhd::capi {

class Handle {
 public:
  static Outcome<std::unique_ptr<Handle>> open(const std::string& path,
                                               const viridian_vhd_open_options& options);
  // A second queue of this handle's disk, for another thread.
  Outcome<std::unique_ptr<Handle>> open_queue(const viridian_vhd_queue_options& options);
  ~Handle();

  Outcome<viridian_vhd_info> info() const;
  // Runs one request and waits for it. kRead and kWrite: with `data`, else sector and sector_count.
  Outcome<int> run(io::IoRequest& request);

  Outcome<int> submit(viridian_vhd_request* const* requests, int count);
  // The failure of a request that ended with `result`; of code 0 if it is none.
  Outcome<Failure> explain(const viridian_vhd_request& request, int result) const;
  Outcome<int> fd();
  Outcome<int> poll();
  Outcome<int> snapshot(const std::string& path);

  // 0: closed, the handle may be destroyed. On an error of the disk as well: then `gone` is set.
  Outcome<int> close(bool& gone);

 private:
  struct Slot : io::IoRequest {
    Handle* handle = nullptr;
    viridian_vhd_request* request = nullptr;
  };
  using SlotList = boost::intrusive::slist<io::Completion, boost::intrusive::cache_last<true>,
                                           boost::intrusive::constant_time_size<false>>;

  Handle() = default;
  static Outcome<std::unique_ptr<Handle>> make(bool one_thread, uint32_t queue_depth);
  Outcome<int> usable();
  Outcome<int> no_queue_is_open() const;
  void note_write() noexcept { (first_ != nullptr ? first_ : this)->wrote_.store(true); }
  Outcome<int> prepare(const viridian_vhd_request& request, io::IoRequest& out) const;
  void start(Slot& slot) noexcept;
  int deliver();
  void settle() noexcept;
  io::IoStatus wait_for(io::IoRequest& request) noexcept;
  Outcome<int> quiesce();
  Outcome<int> open_again(const Failure& why);

  std::string path_;  // absolute
  DiskOptions options_;
  bool one_thread_ = false;
  int owner_ = 0;  // of a ONE_THREAD handle: the thread that turned it first

  std::unique_ptr<io::Reactor> reactor_;
  std::unique_ptr<io::BlockDevice> disk_;  // null: lost by a snapshot that failed half way
  DiskDescription description_;
  std::vector<Slot> slots_;
  SlotList free_;
  SlotList finished_;       // done() is to be called
  size_t in_progress_ = 0;  // submitted and not on finished_
  size_t finished_count_ = 0;
  std::atomic<bool> wrote_{false};  // by this queue or another of the disk
  bool delivering_ = false;
  bool closing_ = false;

  Handle* first_ = nullptr;               // of a second queue: the handle whose disk it uses
  std::atomic<uint32_t> queue_count_{0};  // second queues of this handle's disk
  bool is_announced_ = false;             // a second queue has the descriptor that posts ring
};

Outcome<Format> format_of(uint32_t format);

// The disk's request for memory: checks what a caller can get wrong about it.
Outcome<int> set_data(io::IoRequest& request, const iovec* iov, int iov_count, uint64_t offset);
Outcome<int> set_range(io::IoRequest& request, uint64_t offset, uint64_t length);

// The reason why `request` ended with `code`, a positive errno, for a person.
Failure failure_of(const io::IoRequest& request, int code, const std::string& path,
                   const io::DiskInfo& info);

}  // namespace viridian::vhd::capi
