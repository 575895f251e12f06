// A disk on a thread of its own, for callers that block: NBD clients' requests come from many
// threads at once, and the disk belongs to one reactor.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <thread>

#include "vhd/open_disk.h"

namespace viridian::vhd {

class DiskThread {
 public:
  // Opens the disk on the new thread; returns when it is ready or could not be opened.
  static Result<std::unique_ptr<DiskThread>> start(const std::string& path,
                                                   const DiskOptions& options);
  // When no request is out. What was written is durable then.
  ~DiskThread();
  DiskThread(const DiskThread&) = delete;
  DiskThread& operator=(const DiskThread&) = delete;

  const io::DiskInfo& info() const { return info_; }

  // From any thread; returns when the request is done. `bytes` are read into or written from, and
  // `length` says the same for what moves none. Both, and `offset`, are of whole sectors.
  io::IoStatus run(io::IoOp op, uint64_t offset, uint64_t length, std::span<std::byte> bytes,
                   bool fua);

 private:
  DiskThread() = default;
  void work(const std::stop_token& stop);

  std::unique_ptr<io::Reactor> reactor_;
  std::unique_ptr<io::BlockDevice> disk_;  // the thread's
  io::DiskInfo info_;
  std::jthread thread_;
};

}  // namespace viridian::vhd
