#include "vhd/tool/one_request.h"

namespace viridian::vhd::tool {
namespace {

struct Waiting : io::IoRequest {
  bool ended = false;
};

}  // namespace

std::string_view text_of(io::IoStatus status) {
  switch (status) {
    case io::IoStatus::kNoSpace:
      return "the file system is full";
    case io::IoStatus::kMediumError:
      return "the host could not read or write";
    case io::IoStatus::kReadOnly:
      return "the image is for reading only";
    default:
      return "the disk refused the request";
  }
}

Result<void> run_request(io::Reactor& reactor, io::BlockDevice& disk, io::IoOp op, uint64_t offset,
                         std::span<std::byte> bytes) {
  const iovec part = {bytes.data(), bytes.size()};
  Waiting request;
  request.op = op;
  request.sector = offset / io::kSectorSize;
  request.sector_count = bytes.size() / io::kSectorSize;
  if (!bytes.empty()) request.data = {&part, 1};
  request.done = [](io::IoRequest& self) noexcept { static_cast<Waiting&>(self).ended = true; };
  disk.submit(request);
  reactor.run_until([&] { return request.ended; });
  if (request.status == io::IoStatus::kOk) return {};
  return fail(ErrorKind::kIo, "{} bytes at offset {}: {}", bytes.size(), offset,
              text_of(request.status));
}

}  // namespace viridian::vhd::tool
