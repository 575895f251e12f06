// A message of the guest that lies in several pieces of its memory: the section of the send buffer,
// then the ranges of a GPA-direct packet. Reading copies; what was copied is judged and used.
// Data path; the pieces belong to the caller.
#pragma once

#include <rte_memcpy.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

#include "base/endian.h"

namespace viridian::netvsp {

class Gathered {
 public:
  Gathered() = default;
  explicit Gathered(std::span<const iovec> pieces) : pieces_(pieces) {
    for (const iovec& piece : pieces)
      bytes_ += piece.iov_len;
  }

  uint64_t bytes() const noexcept { return bytes_; }

  // Copies [at, at + into.size()); false if that leaves the message.
  bool copy(uint64_t at, std::span<std::byte> into) const noexcept {
    if (const std::byte* from = flat(at, into.size()); from != nullptr) {
      rte_memcpy(into.data(), from, into.size());  // better than the compiler's for short ones
      return true;
    }
    return for_each(at, into.size(), [&](std::span<std::byte> piece) {
      std::memcpy(into.data(), piece.data(), piece.size());
      into = into.subspan(piece.size());
      return true;
    });
  }

  // That [at, at + 192) will be read soon.
  void prefetch(uint64_t at) const noexcept {
    const std::byte* from = flat(at, 1);
    if (from == nullptr) return;
    for (size_t line = 0; line < 192; line += 64)
      __builtin_prefetch(from + line);
  }

  template <WireStruct T>
  std::optional<T> read(uint64_t at) const noexcept {
    // Into its place at once, and with a constant length where it lies in one piece, as most do.
    std::optional<T> value(std::in_place);
    if (const std::byte* from = flat(at, sizeof(T)); from != nullptr) {
      std::memcpy(&*value, from, sizeof(T));
    } else if (!copy(at, std::as_writable_bytes(std::span(&*value, 1)))) {
      value.reset();
    }
    return value;
  }

  // Visits the pieces of [at, at + length) in order, until `visit` returns false. False if it did,
  // or if the range leaves the message.
  template <class Visit>
  bool for_each(uint64_t at, uint64_t length, Visit&& visit) const noexcept {
    if (at > bytes_ || length > bytes_ - at) return false;
    for (const iovec& piece : pieces_) {
      if (length == 0) return true;
      if (at >= piece.iov_len) {
        at -= piece.iov_len;
        continue;
      }
      const size_t taken = length < piece.iov_len - at ? length : piece.iov_len - at;
      if (!visit(std::span(static_cast<std::byte*>(piece.iov_base) + at, taken))) return false;
      length -= taken;
      at = 0;
    }
    return length == 0;
  }

 private:
  // [at, at + length) if it lies in one piece, else null.
  const std::byte* flat(uint64_t at, size_t length) const noexcept {
    for (const iovec& piece : pieces_) {
      if (at < piece.iov_len) {
        const bool fits = length <= piece.iov_len - at;
        return fits ? static_cast<const std::byte*>(piece.iov_base) + at : nullptr;
      }
      at -= piece.iov_len;
    }
    return nullptr;
  }

  std::span<const iovec> pieces_;
  uint64_t bytes_ = 0;
};

}  // namespace viridian::netvsp
