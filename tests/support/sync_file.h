// Requests to a File one at a time, waiting for each: for tests.
#pragma once

#include <vector>

#include "io/file.h"
#include "io/reactor.h"

namespace viridian::io {

class SyncFile {
 public:
  SyncFile(Reactor& reactor, File& file) : reactor_(reactor), file_(file) {}

  // Returns 0 or a positive errno.
  int run(FileRequest& request) {
    struct Wait : FileRequest {
      bool ended = false;
    } wait;
    static_cast<FileRequest&>(wait) = request;
    wait.done = [](FileRequest& self) noexcept { static_cast<Wait&>(self).ended = true; };
    file_.submit(wait);
    reactor_.run_until([&] { return wait.ended; });
    return wait.error;
  }
  int transfer(FileOp op, uint64_t offset, std::span<std::byte> bytes) {
    const iovec part = {bytes.data(), bytes.size()};
    FileRequest request;
    request.op = op;
    request.offset = offset;
    request.length = bytes.size();
    request.data = {&part, 1};
    return run(request);
  }
  int zero(uint64_t offset, uint64_t length) {
    FileRequest request;
    request.op = FileOp::kZero;
    request.offset = offset;
    request.length = length;
    return run(request);
  }
  int sync() {
    FileRequest request;
    request.op = FileOp::kDataSync;
    return run(request);
  }

 private:
  Reactor& reactor_;
  File& file_;
};

}  // namespace viridian::io
