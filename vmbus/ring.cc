#include "vmbus/ring.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/checked.h"
#include "vmbus/limits.h"

namespace viridian::vmbus {

static_assert(std::endian::native == std::endian::little, "ring words are shared as they are");

namespace {

// Bytes free for the writer. One position is never used, so that full differs from empty: a packet
// fits if it is smaller than this.
uint32_t free_bytes(const RingMemory& memory, uint32_t write, uint32_t read) {
  return memory.size() - memory.distance(read, write);
}

}  // namespace

Result<RingMemory> RingMemory::map(const GuestMemory& memory, std::span<const uint64_t> pfns) {
  const size_t data_bytes = pfns.empty() ? 0 : (pfns.size() - 1) * size_t{kPageBytes};
  if (data_bytes < kMinRingBytes || data_bytes > kMaxRingBytes) {
    return fail(ErrorKind::kInvalidArgument, "ring of {} bytes", data_bytes);
  }
  std::vector<std::byte*> pages;
  pages.reserve(pfns.size());
  for (const uint64_t pfn : pfns) {
    const auto gpa = checked_mul<uint64_t>(pfn, kPageBytes);
    const auto bytes = gpa ? memory.window(Gpa{*gpa}, kPageBytes) : std::nullopt;
    if (!bytes) return fail(ErrorKind::kInvalidArgument, "ring page {:#x} is not memory", pfn);
    pages.push_back(bytes->data());
  }
  RingMemory ring;
  ring.control_ = pages.front();
  ring.size_ = static_cast<uint32_t>(data_bytes);
  pages.erase(pages.begin());
  const bool is_flat = std::adjacent_find(pages.begin(), pages.end(), [](auto* a, auto* b) {
                         return a + kPageBytes != b;
                       }) == pages.end();
  if (is_flat) {
    ring.flat_ = pages.front();
  } else {
    ring.pages_ = std::move(pages);
  }
  return ring;
}

std::atomic_ref<uint32_t> RingMemory::word(size_t offset) const noexcept {
  // The control page is shared memory, aligned to its size: its words exist as atomics only here.
  return std::atomic_ref(*reinterpret_cast<uint32_t*>(control_ + offset));
}

template <class Copy>
void RingMemory::for_each_piece(uint32_t offset, size_t length, Copy&& copy) const noexcept {
  if (length == 0) return;
  if (flat_ != nullptr) {
    const size_t first = std::min<size_t>(length, size_ - offset);
    copy(flat_ + offset, size_t{0}, first);
    if (first < length) copy(flat_, first, length - first);
    return;
  }
  for (size_t done = 0; done < length;) {
    const uint32_t within = offset % kPageBytes;
    const size_t count = std::min<size_t>(length - done, kPageBytes - within);
    copy(pages_[offset / kPageBytes] + within, done, count);
    done += count;
    offset = advance(offset, static_cast<uint32_t>(count));
  }
}

void RingMemory::copy_out(uint32_t offset, std::span<std::byte> into) const noexcept {
  for_each_piece(offset, into.size(), [&](const std::byte* at, size_t done, size_t count) {
    std::memcpy(into.data() + done, at, count);
  });
}

void RingMemory::copy_in(uint32_t offset, std::span<const std::byte> from) const noexcept {
  for_each_piece(offset, from.size(), [&](std::byte* at, size_t done, size_t count) {
    std::memcpy(at, from.data() + done, count);
  });
}

// --- guest to host -------------------------------------------------------------------------------

IncomingRing::IncomingRing(RingMemory memory) : memory_(std::move(memory)) {
  read_ = memory_.word(control::kReadIndex).load(std::memory_order_relaxed);
  fault_ = !memory_.is_index(read_);
  published_ = write_seen_ = read_;
}

RingState IncomingRing::read(std::span<std::byte> into, uint32_t& length) noexcept {
  if (fault_) return RingState::kFault;
  if (read_ == write_seen_) {
    // Pairs with the guest's barrier before it stores the index: the packet's bytes are there.
    const uint32_t write = memory_.word(control::kWriteIndex).load(std::memory_order_acquire);
    if (!memory_.is_index(write)) {
      fault_ = true;
      return RingState::kFault;
    }
    write_seen_ = write;
    if (read_ == write) return RingState::kEmpty;
  }
  fault_ = true;  // until the packet has passed every check
  const uint32_t available = memory_.distance(read_, write_seen_);
  PacketDescriptor descriptor;
  if (available < sizeof(descriptor) + kPacketTrailerBytes) return RingState::kFault;
  memory_.copy_out(read_, std::as_writable_bytes(std::span(&descriptor, 1)));
  const uint32_t bytes = descriptor.len8 * 8u;
  const uint32_t payload_offset = descriptor.offset8 * 8u;
  if (bytes < sizeof(descriptor) || bytes > into.size() || bytes > kMaxPacketBytes ||
      bytes > available - kPacketTrailerBytes || payload_offset < sizeof(descriptor) ||
      payload_offset > bytes) {
    return RingState::kFault;
  }
  std::memcpy(into.data(), &descriptor, sizeof(descriptor));
  const uint32_t rest = bytes - static_cast<uint32_t>(sizeof(descriptor));
  if (rest > 0) {
    memory_.copy_out(memory_.advance(read_, sizeof(descriptor)),
                     into.subspan(sizeof(descriptor), rest));
  }
  length = bytes;
  fault_ = false;
  return RingState::kReady;
}

void IncomingRing::skip(uint32_t length) noexcept {
  read_ = memory_.advance(read_, length + kPacketTrailerBytes);
}

bool IncomingRing::publish() noexcept {
  if (read_ == published_) return false;
  const uint32_t bytes_read = memory_.distance(published_, read_);
  published_ = read_;
  // Sequentially consistent, against the guest's store of its pending size and load of our index:
  // one of the two sees the other, so a guest that waits for space is never left waiting.
  memory_.word(control::kReadIndex).store(read_, std::memory_order_seq_cst);
  const uint32_t pending =
      memory_.word(control::kPendingSendSize).load(std::memory_order_seq_cst) & ~7u;
  if (pending == 0) return false;
  const uint32_t write = memory_.word(control::kWriteIndex).load(std::memory_order_acquire);
  if (!memory_.is_index(write)) {
    fault_ = true;
    return false;
  }
  // Only the publication that crosses the threshold interrupts; a guest that lies about its write
  // index gets an interrupt too few or too many.
  const uint32_t now_free = free_bytes(memory_, write, read_);
  const uint32_t free_before = now_free > bytes_read ? now_free - bytes_read : 0;
  return now_free > pending && free_before <= pending;
}

void IncomingRing::mask() noexcept {
  memory_.word(control::kInterruptMask).store(1, std::memory_order_relaxed);
}

bool IncomingRing::unmask() noexcept {
  // Against the guest, which stores its write index and then loads the mask: either it sees the
  // mask clear and rings, or its packet is seen here.
  memory_.word(control::kInterruptMask).store(0, std::memory_order_seq_cst);
  return memory_.word(control::kWriteIndex).load(std::memory_order_seq_cst) != read_;
}

// --- host to guest -------------------------------------------------------------------------------

OutgoingRing::OutgoingRing(RingMemory memory) : memory_(std::move(memory)) {
  write_ = memory_.word(control::kWriteIndex).load(std::memory_order_relaxed);
  read_seen_ = memory_.word(control::kReadIndex).load(std::memory_order_relaxed);
  fault_ = !memory_.is_index(write_) || !memory_.is_index(read_seen_);
  published_ = write_;
  memory_.word(control::kPendingSendSize).store(0, std::memory_order_relaxed);
  // Tells the guest to look at the pending size in this ring when it takes packets.
  memory_.word(control::kFeatureBits).fetch_or(kFeaturePendingSendSize, std::memory_order_relaxed);
}

bool OutgoingRing::has_space(uint32_t length) noexcept {
  if (fault_) return false;
  const uint32_t needed = length + kPacketTrailerBytes;
  if (free_bytes(memory_, write_, read_seen_) > needed) return true;
  // Acquire: the guest has read what our next packet overwrites.
  const uint32_t read = memory_.word(control::kReadIndex).load(std::memory_order_seq_cst);
  // The reader cannot be ahead of the writer.
  if (!memory_.is_index(read) ||
      memory_.distance(read_seen_, read) > memory_.distance(read_seen_, write_)) {
    fault_ = true;
    return false;
  }
  read_seen_ = read;
  return free_bytes(memory_, write_, read) > needed;
}

RingState OutgoingRing::write(std::span<const std::span<const std::byte>> parts) noexcept {
  if (fault_) return RingState::kFault;
  size_t unpadded = 0;
  for (const auto& part : parts)
    unpadded += part.size();
  const auto length = static_cast<uint32_t>(align_up<size_t>(unpadded, 8));
  if (length > max_length() || !has_space(length)) {
    return fault_ ? RingState::kFault : RingState::kFull;
  }
  uint32_t at = write_;
  for (const auto& part : parts) {
    memory_.copy_in(at, part);
    at = memory_.advance(at, static_cast<uint32_t>(part.size()));
  }
  constexpr std::array<std::byte, 8> kZeroes{};
  const auto padding = static_cast<uint32_t>(length - unpadded);
  memory_.copy_in(at, std::span(kZeroes).first(padding));
  at = memory_.advance(at, padding);
  const le64 trailer = uint64_t{write_} << 32;
  memory_.copy_in(at, wire_bytes(trailer));
  write_ = memory_.advance(at, kPacketTrailerBytes);
  return RingState::kReady;
}

bool OutgoingRing::publish() noexcept {
  if (write_ == published_) return false;
  const uint32_t before = published_;
  published_ = write_;
  // Sequentially consistent, against the guest's store of its mask and load of our index: either
  // it sees the packets, or we see that it wants an interrupt.
  memory_.word(control::kWriteIndex).store(write_, std::memory_order_seq_cst);
  if (memory_.word(control::kInterruptMask).load(std::memory_order_seq_cst) != 0) return false;
  // It had taken everything before these packets: it may be asleep.
  return memory_.word(control::kReadIndex).load(std::memory_order_seq_cst) == before;
}

bool OutgoingRing::request_space(uint32_t length) noexcept {
  memory_.word(control::kPendingSendSize)
      .store(length + kPacketTrailerBytes, std::memory_order_seq_cst);
  if (!has_space(length)) return false;
  cancel_space_request();
  return true;
}

void OutgoingRing::cancel_space_request() noexcept {
  memory_.word(control::kPendingSendSize).store(0, std::memory_order_relaxed);
}

}  // namespace viridian::vmbus
