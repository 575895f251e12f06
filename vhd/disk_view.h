// A disk of one reactor, used from another reactor's thread too: for a guest with several queues.
//
// What needs no more than the published state of the disk - where each block is, and which
// stretches of it are wholly there - the view does itself, on its own ring: reads and overwrites of
// what one place of one file holds, and reads of holes. All else is posted to the disk's own
// reactor and comes back from there: new blocks, bitmaps, flushes, forced writes, discards. So no
// lock is held, and no allocation there stops a read here.
//
// What a discard frees is not used again while a request that may have seen it is in progress here:
// see grace.h. Data path; bound to its reactor; made before, and destroyed before, its disk.
#pragma once

#include <memory>
#include <vector>

#include "vhd/chain_disk.h"
#include "vhd/grace.h"

namespace viridian::vhd {

class DiskView final : public io::BlockDevice {
 public:
  // `files` are those of `disk`'s layers, for `reactor`. kUnsupported if the disk has
  // kMaxViews already.
  static Result<std::unique_ptr<DiskView>> create(ChainDisk& disk, io::Reactor& reactor,
                                                  std::vector<std::unique_ptr<io::File>> files);
  ~DiskView() override;

  io::DiskInfo info() const noexcept override { return disk_.info(); }
  void submit(io::IoRequest& request) noexcept override;

  // How many requests the disk's own reactor had to serve.
  uint64_t forwarded_count() const noexcept { return forwarded_count_; }

 private:
  // One that is served here, from start to done().
  struct Direct : io::FileRequest, boost::intrusive::list_base_hook<> {
    DiskView* view = nullptr;
    io::IoRequest* request = nullptr;
    uint64_t epoch = 0;
  };
  // One that the disk serves: `there` goes to its reactor, `here` comes back.
  struct Forward {
    struct Leg : io::Completion {
      Forward* forward = nullptr;
    };
    struct Inner : io::IoRequest {
      Forward* forward = nullptr;
    };
    DiskView* view = nullptr;
    io::IoRequest* request = nullptr;
    Inner inner;
    Leg there;
    Leg here;
  };
  using DirectList = boost::intrusive::list<Direct, boost::intrusive::constant_time_size<false>>;

  DiskView(ChainDisk& disk, io::Reactor& reactor, std::vector<std::unique_ptr<io::File>> files,
           Grace::Reader reader);
  void start(io::IoRequest& request) noexcept;
  void start_direct(io::IoRequest& request, const ChainDisk::PublishedRun& run,
                    Direct& direct) noexcept;
  void start_forward(io::IoRequest& request) noexcept;
  void end_direct(Direct& direct) noexcept;
  void drop(Direct& direct) noexcept;
  void pump() noexcept;

  ChainDisk& disk_;
  io::Reactor& reactor_;
  std::vector<std::unique_ptr<io::File>> files_;
  Grace::Reader reader_;
  std::vector<Direct> directs_;
  std::vector<Direct*> free_directs_;
  DirectList in_flight_;  // in the order of start
  std::vector<Forward> forwards_;
  std::vector<Forward*> free_forwards_;
  WaitList waiting_;  // IoRequests that found a pool empty
  uint64_t forwarded_count_ = 0;
};

}  // namespace viridian::vhd
