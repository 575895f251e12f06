#include "io/ram_disk.h"

#include <cstring>

namespace viridian::io {

RamDisk::RamDisk(Reactor& reactor, uint64_t sector_count, bool read_only)
    : reactor_(reactor), bytes_(sector_count * kSectorSize) {
  info_.sector_count = sector_count;
  info_.discard_granularity = 1;
  info_.read_only = read_only;
}

void RamDisk::submit(IoRequest& request) noexcept { finish(reactor_, request, execute(request)); }

IoStatus RamDisk::execute(const IoRequest& request) noexcept {
  const IoStatus status = check_request(request, info_);
  if (status != IoStatus::kOk || request.op == IoOp::kFlush) return status;
  std::byte* at = bytes_.data() + request.sector * kSectorSize;
  switch (request.op) {
    case IoOp::kRead:
      for (const iovec& part : request.data) {
        std::memcpy(part.iov_base, at, part.iov_len);
        at += part.iov_len;
      }
      break;
    case IoOp::kWrite:
      for (const iovec& part : request.data) {
        std::memcpy(at, part.iov_base, part.iov_len);
        at += part.iov_len;
      }
      break;
    case IoOp::kDiscard:
    case IoOp::kWriteZeroes:
      std::memset(at, 0, request.sector_count * kSectorSize);
      break;
    case IoOp::kFlush:
      break;
  }
  return IoStatus::kOk;
}

}  // namespace viridian::io
