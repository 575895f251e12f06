#include "vhd/tool/stream_target.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "vhd/tool/flat_target.h"
#include "vhd/tool/interrupt.h"

namespace viridian::vhd::tool {
namespace {

constexpr std::array<std::byte, 64 * 1024> kZeroes{};

}  // namespace

Result<void> StreamTarget::put(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd_, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR && !interrupted()) continue;
    if (n < 0) return fail_errno(fmt::format("{}: writing at offset {}", name_, at_), errno);
    bytes = bytes.subspan(static_cast<size_t>(n));
    at_ += static_cast<uint64_t>(n);
  }
  return {};
}

Result<void> StreamTarget::put_zeroes_up_to(uint64_t offset) {
  while (at_ < offset) {
    if (interrupted()) return fail(ErrorKind::kIo, "interrupted");
    const auto zeroes = std::span(kZeroes).first(std::min<uint64_t>(kZeroes.size(), offset - at_));
    VIRIDIAN_TRY(put(zeroes));
  }
  return {};
}

Result<void> StreamTarget::place(const Run& run) {
  VIRIDIAN_TRY(put_zeroes_up_to(run.offset));
  return put(run.data);
}

Result<void> StreamTarget::finish(uint64_t size_bytes) {
  VIRIDIAN_TRY(put_zeroes_up_to(size_bytes));
  if (!compat_) return {};
  const Footer footer = fixed_footer(*compat_, size_bytes);
  return put(wire_bytes(footer));
}

}  // namespace viridian::vhd::tool
