// Stands before another disk and makes chosen requests fail or wait. For tests of frontends.
#pragma once

#include <deque>
#include <optional>

#include "io/block_device.h"

namespace viridian::io {

class FaultDisk final : public BlockDevice {
 public:
  FaultDisk(Reactor& reactor, BlockDevice& below) : reactor_(reactor), below_(below) {}

  DiskInfo info() const noexcept override { return below_.info(); }
  void submit(IoRequest& request) noexcept override;

  // The next `count` requests of kind `op` end with `status` and do not reach the disk below.
  void fail_next(IoOp op, IoStatus status, unsigned count = 1) { fault_ = {op, status, count}; }

  // While held, requests wait here; release() passes them on in the order they came.
  void hold() { held_ = true; }
  void release();
  size_t waiting() const { return waiting_.size(); }

 private:
  struct Fault {
    IoOp op;
    IoStatus status;
    unsigned count;
  };
  void pass(IoRequest& request) noexcept;

  Reactor& reactor_;
  BlockDevice& below_;
  std::optional<Fault> fault_;
  bool held_ = false;
  std::deque<IoRequest*> waiting_;
};

}  // namespace viridian::io
