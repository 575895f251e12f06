// Requests to a BlockDevice one at a time, waiting for each: for tests.
#pragma once

#include <cstddef>
#include <vector>

#include "io/block_device.h"

namespace viridian::io {

class SyncDisk {
 public:
  SyncDisk(Reactor& reactor, BlockDevice& disk) : reactor_(reactor), disk_(disk) {}

  IoStatus run(IoRequest& request) {
    bool ended = false;
    struct Wait : IoRequest {
      bool* ended;
    } wait;
    static_cast<IoRequest&>(wait) = request;
    wait.ended = &ended;
    wait.done = [](IoRequest& self) noexcept { *static_cast<Wait&>(self).ended = true; };
    disk_.submit(wait);
    reactor_.run_until([&] { return ended; });
    return wait.status;
  }
  IoStatus read(uint64_t sector, std::vector<std::byte>& into) {
    return transfer(IoOp::kRead, sector, into, false);
  }
  IoStatus write(uint64_t sector, std::vector<std::byte>& from, bool fua = false) {
    return transfer(IoOp::kWrite, sector, from, fua);
  }
  IoStatus simple(IoOp op, uint64_t sector = 0, uint64_t sector_count = 0) {
    IoRequest request;
    request.op = op;
    request.sector = sector;
    request.sector_count = sector_count;
    return run(request);
  }

 private:
  IoStatus transfer(IoOp op, uint64_t sector, std::vector<std::byte>& bytes, bool fua) {
    const iovec part = {bytes.data(), bytes.size()};
    IoRequest request;
    request.op = op;
    request.fua = fua;
    request.sector = sector;
    request.sector_count = bytes.size() / kSectorSize;
    request.data = {&part, 1};
    return run(request);
  }

  Reactor& reactor_;
  BlockDevice& disk_;
};

}  // namespace viridian::io
