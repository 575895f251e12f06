#include "storvsp/scsi_request.h"

#include <algorithm>
#include <cstring>

#include "base/checked.h"

namespace viridian::storvsp {
namespace {

void end_later(io::Reactor& reactor, ScsiRequest& request) noexcept {
  request.run = [](io::Completion& completion) noexcept {
    auto& self = static_cast<ScsiRequest&>(completion);
    self.ended(self);
  };
  reactor.defer(request);
}

}  // namespace

void end_good(io::Reactor& reactor, ScsiRequest& request, uint32_t transferred) noexcept {
  request.scsi_status = scsi_status::kGood;
  request.transferred = transferred;
  end_later(reactor, request);
}

void end_check(io::Reactor& reactor, ScsiRequest& request, Sense why) noexcept {
  request.scsi_status = scsi_status::kCheckCondition;
  request.sense = why;
  request.transferred = 0;
  end_later(reactor, request);
}

void end_data(io::Reactor& reactor, ScsiRequest& request, std::span<const std::byte> data,
              uint32_t allocation) noexcept {
  size_t left = std::min<size_t>({data.size(), allocation, request.buffer_length});
  const auto moved = static_cast<uint32_t>(left);
  for (const iovec& part : request.buffer) {
    const size_t length = std::min(left, part.iov_len);
    std::memcpy(part.iov_base, data.data(), length);
    data = data.subspan(length);
    left -= length;
    if (left == 0) break;
  }
  end_good(reactor, request, moved);
}

void end_through(io::BlockDevice& disk, ScsiRequest& request) noexcept {
  request.done = [](io::IoRequest& io_request) noexcept {
    auto& self = static_cast<ScsiRequest&>(io_request);
    if (self.status == io::IoStatus::kOk) {
      self.scsi_status = scsi_status::kGood;
    } else {
      self.scsi_status = scsi_status::kCheckCondition;
      self.sense = sense_of(self.status, self.op);
      self.transferred = 0;
    }
    self.ended(self);
  };
  disk.submit(request);
}

bool trim_buffer(ScsiRequest& request, uint64_t bytes) noexcept {
  if (bytes > request.buffer_length) return false;
  if (bytes == request.buffer_length) return true;
  request.buffer_length = static_cast<uint32_t>(bytes);
  size_t used = 0;
  while (bytes > 0) {
    iovec& part = request.buffer[used++];
    part.iov_len = std::min<uint64_t>(part.iov_len, bytes);
    bytes -= part.iov_len;
  }
  request.buffer = request.buffer.first(used);
  return true;
}

bool copy_parameters(const ScsiRequest& request, size_t offset,
                     std::span<std::byte> into) noexcept {
  if (!range_within<size_t>(offset, into.size(), request.buffer_length)) return false;
  for (const iovec& part : request.buffer) {
    if (into.empty()) break;
    if (offset >= part.iov_len) {
      offset -= part.iov_len;
      continue;
    }
    const size_t length = std::min(into.size(), part.iov_len - offset);
    std::memcpy(into.data(), static_cast<const std::byte*>(part.iov_base) + offset, length);
    into = into.subspan(length);
    offset = 0;
  }
  return true;
}

}  // namespace viridian::storvsp
