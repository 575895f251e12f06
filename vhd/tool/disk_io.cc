#include "vhd/tool/disk_io.h"

namespace viridian::vhd::tool {

Result<void> DiskIo::run(io::IoOp op, uint64_t offset, const iovec& part) {
  struct Wait : io::IoRequest {
    bool ended = false;
  } wait;
  wait.op = op;
  wait.sector = offset / io::kSectorSize;
  wait.sector_count = part.iov_len / io::kSectorSize;
  if (part.iov_len != 0) wait.data = {&part, 1};
  wait.done = [](io::IoRequest& self) noexcept { static_cast<Wait&>(self).ended = true; };
  disk_.submit(wait);
  reactor_.run_until([&] { return wait.ended; });
  if (wait.status == io::IoStatus::kOk) return {};
  const char* why = wait.status == io::IoStatus::kNoSpace ? "the file system is full"
                                                          : "the host could not read or write";
  return fail(ErrorKind::kIo, "{} bytes at offset {} of the disk: {}", part.iov_len, offset, why);
}

Result<void> DiskIo::read(uint64_t offset, std::span<std::byte> into) {
  return run(io::IoOp::kRead, offset, {into.data(), into.size()});
}

Result<void> DiskIo::write(uint64_t offset, std::span<const std::byte> from) {
  // An iovec has no const: a write only reads.
  return run(io::IoOp::kWrite, offset, {const_cast<std::byte*>(from.data()), from.size()});
}

Result<void> DiskIo::flush() { return run(io::IoOp::kFlush, 0, {}); }

}  // namespace viridian::vhd::tool
