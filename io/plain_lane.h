// The short way of a plain transfer (file.h) into the ring, for who knows that the file has one:
// what nearly every request to a disk goes through, so it is inline and calls nobody. Data path,
// the file's reactor only.
#pragma once

#include <cstring>

#include "io/file.h"
#include "io/reactor.h"

namespace viridian::io {

class PlainLane {
 public:
  // A transfer's memory has none of the bits of `address_mask` in an address, none of those of
  // `length_mask` in a length.
  PlainLane(Reactor& reactor, int fd, uint32_t address_mask, uint32_t length_mask) noexcept
      : reactor_(reactor),
        fd_(fd),
        address_mask_(address_mask),
        length_mask_(kTooLong | length_mask) {}

  // File::start_plain() for memory in one part. False as well if the ring's queue is full.
  bool start(Completion& completion, FileOp op, uint64_t offset, const iovec& part,
             uint64_t length) const noexcept {
    if ((unfit_bits(part) | (length ^ part.iov_len)) != 0) [[unlikely]]
      return false;
    // As io_uring_prep_rw(), in fewer stores.
    return reactor_.try_start(completion, [&](io_uring_sqe* sqe) {
      std::memset(sqe, 0, sizeof(*sqe));
      sqe->opcode = op == FileOp::kRead ? IORING_OP_READ : IORING_OP_WRITE;
      sqe->fd = fd_;
      sqe->off = offset;
      sqe->addr = reinterpret_cast<uintptr_t>(part.iov_base);  // what the kernel's interface takes
      sqe->len = static_cast<uint32_t>(length);
    });
  }

  // Not 0: no plain transfer can use this memory.
  uint64_t unfit_bits(const iovec& part) const noexcept {
    // The one place where an address is looked at as a number.
    return (reinterpret_cast<uintptr_t>(part.iov_base) & address_mask_) |
           (part.iov_len & length_mask_);
  }

 private:
  // A CQE's result is a signed 32-bit number; and so no sum of lengths overflows.
  static constexpr uint64_t kTooLong = ~((uint64_t{1} << 30) - 1);

  Reactor& reactor_;
  int fd_;
  uint32_t address_mask_;
  uint64_t length_mask_;
};

}  // namespace viridian::io
