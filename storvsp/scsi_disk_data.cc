// The commands of a SCSI disk that move, check or free blocks: SBC-3 5.11 to 5.45.
#include <algorithm>

#include "storvsp/limits.h"
#include "storvsp/scsi_disk.h"

namespace viridian::storvsp {
namespace {

bool is_zero(std::span<const std::byte> bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
}

}  // namespace

void ScsiDisk::transfer(ScsiRequest& request, io::IoOp op, uint64_t lba, uint32_t count,
                        uint8_t flags) noexcept {
  const uint64_t bytes = uint64_t{count} * io::kSectorSize;
  if ((flags & kCdbProtect) != 0 || !trim_buffer(request, bytes)) {
    return end_check(reactor_, request, sense::kInvalidFieldInCdb);
  }
  request.op = op;
  request.fua = (flags & kCdbFua) != 0;
  request.sector = lba;
  request.sector_count = count;
  request.data = request.buffer;
  request.transferred = static_cast<uint32_t>(bytes);
  end_through(disk_, request);
}

// With BYTCHK 0 the medium is what is verified. A virtual disk has none, so the range is all.
void ScsiDisk::verify(ScsiRequest& request, uint64_t lba, uint32_t count, uint8_t flags) noexcept {
  if (flags & (kCdbProtect | kCdbByteCheck)) {
    return end_check(reactor_, request, sense::kInvalidFieldInCdb);
  }
  if (!within(lba, count)) return end_check(reactor_, request, sense::kOutOfRange);
  end_good(reactor_, request);
}

// The whole cache is written, whatever the range. IMMED is ignored: the status comes when the data
// is durable, which no guest can tell from a slow bus.
void ScsiDisk::synchronize_cache(ScsiRequest& request, uint64_t lba, uint32_t count) noexcept {
  if (!within(lba, count)) return end_check(reactor_, request, sense::kOutOfRange);
  flush(request);
}

// With or without UNMAP: LBPRZ is clear, so blocks may be freed only if they still read as the
// zeroes that were sent, which is kWriteZeroes.
void ScsiDisk::write_same(ScsiRequest& request, uint64_t lba, uint32_t count,
                          uint8_t flags) noexcept {
  if ((flags & (kCdbProtect | kCdbAnchor)) != 0 || count == 0 || count > kMaxWriteSameSectors) {
    return end_check(reactor_, request, sense::kInvalidFieldInCdb);
  }
  request.transferred = 0;
  if ((flags & kCdbNoDataOut) == 0) {
    std::array<std::byte, io::kSectorSize> pattern;
    if (!copy_parameters(request, 0, pattern)) {
      return end_check(reactor_, request, sense::kInvalidFieldInCdb);
    }
    if (!is_zero(pattern)) {
      return end_check(reactor_, request, sense::kInvalidFieldInParameters);
    }
    request.transferred = pattern.size();
  }
  request.op = io::IoOp::kWriteZeroes;
  request.sector = lba;
  request.sector_count = count;
  end_through(disk_, request);
}

// SBC-3 5.28: one discard after the other. The descriptors stay in guest memory; each is copied
// when its turn comes and only the copy is used, so nothing has to hold them all.
void ScsiDisk::unmap(ScsiRequest& request) noexcept {
  const auto cdb = cdb_as<UnmapCdb>(request.cdb);
  if (disk_.info().discard_granularity == 0) {
    return end_check(reactor_, request, sense::kInvalidOperation);
  }
  if (cdb.flags & kCdbUnmapAnchor) {
    return end_check(reactor_, request, sense::kInvalidFieldInCdb);
  }
  const uint16_t length = cdb.length;
  if (length == 0) return end_good(reactor_, request);
  UnmapHeader header;
  if (!trim_buffer(request, length) || !read_parameters(request, 0, header)) {
    return end_check(reactor_, request, sense::kParameterListLength);
  }
  // A descriptor that is only partly in the list is ignored, as is what lies behind them.
  const size_t sent = std::min<size_t>(header.descriptor_length, length - sizeof(header));
  const size_t count = sent / sizeof(UnmapDescriptor);
  if (count > kMaxUnmapDescriptors) {
    return end_check(reactor_, request, sense::kInvalidFieldInParameters);
  }
  request.unit = this;
  request.step = 0;
  request.steps = static_cast<uint32_t>(count);
  request.done = [](io::IoRequest& io_request) noexcept {
    auto& self = static_cast<ScsiRequest&>(io_request);
    auto& disk = *static_cast<ScsiDisk*>(self.unit);
    if (self.status == io::IoStatus::kOk) return disk.unmap_next(self);
    end_check(disk.reactor_, self, sense_of(self.status, self.op));
  };
  unmap_next(request);
}

void ScsiDisk::unmap_next(ScsiRequest& request) noexcept {
  UnmapDescriptor descriptor{};
  do {
    if (request.step == request.steps) {
      return end_good(reactor_, request, request.buffer_length);
    }
    const size_t offset = sizeof(UnmapHeader) + request.step * sizeof(descriptor);
    if (!read_parameters(request, offset, descriptor)) {
      return end_check(reactor_, request, sense::kParameterListLength);
    }
    ++request.step;
  } while (descriptor.count.get() == 0);
  if (descriptor.count > kMaxUnmapSectors) {
    return end_check(reactor_, request, sense::kInvalidFieldInParameters);
  }
  request.op = io::IoOp::kDiscard;
  request.sector = descriptor.lba;
  request.sector_count = descriptor.count;
  disk_.submit(request);
}

}  // namespace viridian::storvsp
