// The two rings of a channel over pages that the guest owns.
//
// Protocol: vmbus/ring_protocol.h. Each ring has one reader and one writer; the host is the reader
// of the incoming ring and the writer of the outgoing one. Every word that the guest writes is
// loaded once, checked, and used from the copy. A ring that the guest broke reports it and is not
// used again. The channel's thread only.
#pragma once

#include <atomic>
#include <optional>
#include <span>
#include <vector>

#include "base/guest_memory.h"
#include "vmbus/ring_protocol.h"

namespace viridian::vmbus {

// The pages of one ring as host memory: a control page and a circular data area, which need not be
// contiguous in the guest nor here.
class RingMemory {
 public:
  // An error if a page is not guest memory or the size is out of limits. `pfns[0]` is the control
  // page.
  static Result<RingMemory> map(const GuestMemory& memory, std::span<const uint64_t> pfns);

  uint32_t size() const noexcept { return size_; }

  std::atomic_ref<uint32_t> word(size_t offset) const noexcept;

  // `offset` < size(), length <= size(); both wrap around the end of the data area.
  void copy_out(uint32_t offset, std::span<std::byte> into) const noexcept;
  void copy_in(uint32_t offset, std::span<const std::byte> from) const noexcept;

  // An index that may appear in the control page: within the data area, a multiple of 8.
  bool is_index(uint32_t value) const noexcept { return value < size_ && value % 8 == 0; }
  uint32_t advance(uint32_t index, uint32_t bytes) const noexcept {
    const uint32_t sum = index + bytes;  // both below 2^25: see kMaxRingBytes
    return sum >= size_ ? sum - size_ : sum;
  }
  // Bytes from `from` forward to `to`.
  uint32_t distance(uint32_t from, uint32_t to) const noexcept {
    return to >= from ? to - from : size_ - from + to;
  }

 private:
  RingMemory() = default;
  template <class Copy>
  void for_each_piece(uint32_t offset, size_t length, Copy&& copy) const noexcept;

  std::byte* control_ = nullptr;
  std::byte* flat_ = nullptr;      // the data area, if it is one run of host memory
  std::vector<std::byte*> pages_;  // else each page of it
  uint32_t size_ = 0;
};

enum class RingState : uint8_t { kReady, kEmpty, kFull, kFault };

class IncomingRing {
 public:
  explicit IncomingRing(RingMemory memory);

  // Copies the packet at the read position into `into` (at least kMaxPacketBytes): kReady with
  // `length` bytes, whose descriptor is checked (offset8 and len8 are within the packet); kEmpty;
  // or kFault.
  RingState read(std::span<std::byte> into, uint32_t& length) noexcept;
  void skip(uint32_t length) noexcept;  // past the packet that read() gave

  // Makes the read position known to the guest. True: the guest waits for the space, interrupt it.
  bool publish() noexcept;

  void mask() noexcept;
  // Asks for doorbells again. True: packets came in between, which no doorbell will tell.
  bool unmask() noexcept;

 private:
  RingMemory memory_;
  uint32_t read_ = 0;
  uint32_t published_ = 0;
  uint32_t write_seen_ = 0;
  bool fault_ = false;
};

class OutgoingRing {
 public:
  explicit OutgoingRing(RingMemory memory);

  // Puts one packet, made of `parts` (the first begins with its descriptor), behind the last one:
  // kReady, kFull or kFault. Each part but the last is a multiple of 8 bytes; the last is padded.
  RingState write(std::span<const std::span<const std::byte>> parts) noexcept;

  // Makes what was written known to the guest. True: it was out of work and wants an interrupt.
  bool publish() noexcept;

  // After kFull, once everything is published: asks the guest for an interrupt when `length` bytes
  // (a packet without trailer) fit. True: they fit already.
  bool request_space(uint32_t length) noexcept;
  void cancel_space_request() noexcept;
  bool has_space(uint32_t length) noexcept;

  // The largest packet that an empty ring takes, without trailer.
  uint32_t max_length() const noexcept { return memory_.size() - kPacketTrailerBytes - 8; }

 private:
  RingMemory memory_;
  uint32_t write_ = 0;
  uint32_t published_ = 0;
  uint32_t read_seen_ = 0;
  bool fault_ = false;
};

}  // namespace viridian::vmbus
