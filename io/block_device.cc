#include "io/block_device.h"

#include "base/checked.h"

namespace viridian::io {

void finish(Reactor& reactor, IoRequest& request, IoStatus status) noexcept {
  request.status = status;
  request.run = [](Completion& completion) noexcept {
    auto& self = static_cast<IoRequest&>(completion);
    self.done(self);
  };
  reactor.defer(request);
}

IoStatus check_request(const IoRequest& request, const DiskInfo& info) noexcept {
  if (request.op == IoOp::kFlush) return IoStatus::kOk;
  if (request.op != IoOp::kRead && info.read_only) return IoStatus::kReadOnly;
  if (!range_within(request.sector, request.sector_count, info.sector_count)) {
    return IoStatus::kOutOfRange;
  }
  if (request.op == IoOp::kDiscard && info.discard_granularity == 0) return IoStatus::kUnsupported;
  if (request.op != IoOp::kRead && request.op != IoOp::kWrite) return IoStatus::kOk;

  uint64_t bytes = 0;
  for (const iovec& part : request.data) {
    if (__builtin_add_overflow(bytes, part.iov_len, &bytes)) return IoStatus::kInvalid;
  }
  const auto wanted = checked_mul<uint64_t>(request.sector_count, kSectorSize);
  return wanted && *wanted == bytes ? IoStatus::kOk : IoStatus::kInvalid;
}

}  // namespace viridian::io
