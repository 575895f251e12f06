#include "vhd/blocking_disk.h"

namespace viridian::vhd {
namespace {

std::string_view text_of(io::IoStatus status) {
  switch (status) {
    case io::IoStatus::kNoSpace:
      return "the file system is full";
    case io::IoStatus::kMediumError:
      return "the host could not read or write";
    default:
      return "the disk refused the request";
  }
}

std::string_view verb_of(io::IoOp op) {
  switch (op) {
    case io::IoOp::kRead:
      return "reading";
    case io::IoOp::kFlush:
      return "making durable";
    default:
      return "writing";
  }
}

}  // namespace

Result<void> BlockingDisk::run(io::IoOp op, uint64_t offset, uint64_t length,
                               std::span<std::byte> bytes) {
  struct Wait : io::IoRequest {
    bool ended = false;
  } wait;
  const iovec part = {bytes.data(), bytes.size()};
  wait.op = op;
  wait.sector = offset / io::kSectorSize;
  wait.sector_count = length / io::kSectorSize;
  if (!bytes.empty()) wait.data = {&part, 1};
  wait.done = [](io::IoRequest& self) noexcept { static_cast<Wait&>(self).ended = true; };
  disk_.submit(wait);
  reactor_.run_until([&] { return wait.ended; });
  if (wait.status == io::IoStatus::kOk) return {};
  return fail(ErrorKind::kIo, "{} {} bytes at offset {} of the disk: {}", verb_of(op), length,
              offset, text_of(wait.status));
}

Result<void> BlockingDisk::read(uint64_t offset, std::span<std::byte> into) {
  return run(io::IoOp::kRead, offset, into.size(), into);
}
Result<void> BlockingDisk::write(uint64_t offset, std::span<std::byte> from) {
  return run(io::IoOp::kWrite, offset, from.size(), from);
}
Result<void> BlockingDisk::write_zeroes(uint64_t offset, uint64_t length) {
  return run(io::IoOp::kWriteZeroes, offset, length, {});
}
Result<void> BlockingDisk::flush() { return run(io::IoOp::kFlush, 0, 0, {}); }

}  // namespace viridian::vhd
