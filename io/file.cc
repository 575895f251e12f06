#include "io/file.h"

#include <algorithm>
#include <cstring>

namespace viridian::io {
namespace {

// Calls visit(memory, length) for each piece of `length` bytes of `data` from byte `skip` on.
template <class Visit>
void for_each_piece(std::span<const iovec> data, uint64_t skip, uint64_t length, Visit&& visit) {
  for (const iovec& part : data) {
    if (length == 0) return;
    if (skip >= part.iov_len) {
      skip -= part.iov_len;
      continue;
    }
    const size_t piece = std::min<uint64_t>(part.iov_len - skip, length);
    visit(static_cast<std::byte*>(part.iov_base) + skip, piece);
    skip = 0;
    length -= piece;
  }
}

}  // namespace

Result<std::unique_ptr<File>> File::again(Reactor&) const {
  return fail(ErrorKind::kUnsupported, "{}: cannot be used by a second thread", name());
}

void copy_from_iovecs(std::byte* flat, std::span<const iovec> data, uint64_t skip,
                      uint64_t length) {
  for_each_piece(data, skip, length, [&](const std::byte* memory, size_t piece) {
    std::memcpy(flat, memory, piece);
    flat += piece;
  });
}

void copy_to_iovecs(const std::byte* flat, std::span<const iovec> data, uint64_t skip,
                    uint64_t length) {
  for_each_piece(data, skip, length, [&](std::byte* memory, size_t piece) {
    std::memcpy(memory, flat, piece);
    flat += piece;
  });
}

void zero_iovecs(std::span<const iovec> data, uint64_t skip, uint64_t length) {
  for_each_piece(data, skip, length,
                 [](std::byte* memory, size_t piece) { std::memset(memory, 0, piece); });
}

}  // namespace viridian::io
