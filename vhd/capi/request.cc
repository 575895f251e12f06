// What a caller in C can get wrong about a request, and how it is told.
#include <cerrno>

#include "vhd/capi/handle.h"

namespace viridian::vhd::capi {
namespace {

constexpr int kMaxIovecs = 1024;  // the kernel's UIO_MAXIOV

Outcome<int> set_sectors(io::IoRequest& request, uint64_t offset, uint64_t length) {
  if (offset % io::kSectorSize != 0 || length % io::kSectorSize != 0) {
    return refuse(EINVAL, "offset {}, length {}: must be multiples of 512", offset, length);
  }
  request.sector = offset / io::kSectorSize;
  request.sector_count = length / io::kSectorSize;
  return 0;
}

}  // namespace

Outcome<int> set_data(io::IoRequest& request, const iovec* iov, int iov_count, uint64_t offset) {
  if (iov_count < 0 || iov_count > kMaxIovecs || (iov == nullptr && iov_count > 0)) {
    return refuse(EINVAL, "iov_count: is {}; must be 0 to {} and iov not NULL", iov_count,
                  kMaxIovecs);
  }
  uint64_t length = 0;
  request.data = {iov, static_cast<size_t>(iov_count)};
  for (const iovec& part : request.data) {
    if (part.iov_base == nullptr && part.iov_len > 0) return refuse(EFAULT, "iov_base: is NULL");
    if (__builtin_add_overflow(length, part.iov_len, &length)) {
      return refuse(EINVAL, "iov_len: together longer than memory can be");
    }
  }
  return set_sectors(request, offset, length);
}

Outcome<int> set_range(io::IoRequest& request, uint64_t offset, uint64_t length) {
  return set_sectors(request, offset, length);
}

Failure failure_of(const io::IoRequest& request, int code, const std::string& path,
                   const io::DiskInfo& info) {
  const uint64_t offset = request.sector * io::kSectorSize;
  const uint64_t length = request.sector_count * io::kSectorSize;
  if (code == ERANGE) {
    return {code, fmt::format("{}: offset {}, length {}: ends behind the disk's {} bytes", path,
                              offset, length, info.sector_count * io::kSectorSize)};
  }
  const char* known = ::strerrordesc_np(code);
  const char* reason = known != nullptr ? known : "an unknown error";
  if (request.op == io::IoOp::kFlush) return {code, fmt::format("{}: flush: {}", path, reason)};
  return {code, fmt::format("{}: offset {}, length {}: {}", path, offset, length, reason)};
}

}  // namespace viridian::vhd::capi
