#include "vhd/tool/pipe_source.h"

#include <unistd.h>

#include <cerrno>

#include "vhd/tool/interrupt.h"

namespace viridian::vhd::tool {

Result<bool> PipeSource::next(Piece& piece) {
  size_t length = 0;
  while (length < kPieceBytes) {
    const auto into = piece.buffer.first(kPieceBytes).subspan(length);
    const ssize_t n = ::read(fd_, into.data(), into.size());
    if (n < 0 && errno == EINTR && !interrupted()) continue;
    if (n < 0) return fail_errno(fmt::format("{}: reading", name_), errno);
    if (n == 0) break;
    length += static_cast<size_t>(n);
  }
  piece.offset = at_;
  piece.length = length;
  at_ += length;
  if (at_ % 512 != 0) {
    return fail(ErrorKind::kInvalidArgument,
                "{}: size: {} bytes are no multiple of 512; fill it up with zeroes", name_, at_);
  }
  if (size_bytes_ && (at_ > *size_bytes_ || (length < kPieceBytes && at_ != *size_bytes_))) {
    return fail(ErrorKind::kInvalidArgument, "{}: size: {} bytes {} than the {} of --size", name_,
                at_, at_ > *size_bytes_ ? "or more are more" : "are fewer", *size_bytes_);
  }
  return length > 0;
}

}  // namespace viridian::vhd::tool
