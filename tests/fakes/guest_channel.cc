#include "tests/fakes/guest_channel.h"

#include <unistd.h>

#include "base/checked.h"
#include "tests/fakes/fake_guest.h"
#include "vmbus/limits.h"

namespace viridian::vmbus {
namespace {

uint32_t free_in(const RingMemory& ring, uint32_t read, uint32_t write) {
  return ring.size() - ring.distance(read, write);
}

}  // namespace

GuestChannel::GuestChannel(FakeGuest& guest, uint32_t relid, uint32_t gpadl,
                           std::vector<uint64_t> pfns, RingMemory out, RingMemory in)
    : guest_(guest),
      relid_(relid),
      gpadl_(gpadl),
      pfns_(std::move(pfns)),
      out_(std::move(out)),
      in_(std::move(in)),
      buffer_(kMaxPacketBytes) {
  for (RingMemory* ring : {&out_, &in_}) {
    for (const size_t word : {control::kReadIndex, control::kWriteIndex, control::kInterruptMask,
                              control::kPendingSendSize}) {
      ring->word(word).store(0);
    }
    ring->word(control::kFeatureBits).store(kFeaturePendingSendSize);
  }
}

// --- sending -------------------------------------------------------------------------------------

uint32_t GuestChannel::free_bytes() const {
  return free_in(out_, out_.word(control::kReadIndex).load(),
                 out_.word(control::kWriteIndex).load());
}

bool GuestChannel::write(std::span<const std::span<const std::byte>> parts) {
  size_t bytes = 0;
  for (const auto& part : parts)
    bytes += part.size();
  const uint32_t start = out_.word(control::kWriteIndex).load(std::memory_order_relaxed);
  if (free_bytes() <= bytes + kPacketTrailerBytes) return false;
  uint32_t at = start;
  for (const auto& part : parts) {
    out_.copy_in(at, part);
    at = out_.advance(at, static_cast<uint32_t>(part.size()));
  }
  const le64 trailer = uint64_t{start} << 32;
  out_.copy_in(at, wire_bytes(trailer));
  at = out_.advance(at, kPacketTrailerBytes);
  out_.word(control::kWriteIndex).store(at, std::memory_order_seq_cst);
  if (out_.word(control::kInterruptMask).load(std::memory_order_seq_cst) != 0) return true;
  if (out_.word(control::kReadIndex).load(std::memory_order_seq_cst) == start) ring_host();
  return true;
}

bool GuestChannel::send(uint64_t transaction_id, std::span<const std::byte> payload,
                        bool completion_requested) {
  const size_t length = align_up<size_t>(sizeof(PacketDescriptor) + payload.size(), 8);
  PacketDescriptor descriptor;
  descriptor.type = packet_type::kDataInBand;
  descriptor.offset8 = uint16_t{sizeof(PacketDescriptor) / 8};
  descriptor.len8 = static_cast<uint16_t>(length / 8);
  descriptor.flags = completion_requested ? kPacketFlagCompletionRequested : uint16_t{0};
  descriptor.transaction_id = transaction_id;
  constexpr std::array<std::byte, 8> kZeroes{};
  const std::array parts = {
      wire_bytes(descriptor), payload,
      std::span<const std::byte>(kZeroes).first(length - sizeof(descriptor) - payload.size())};
  return write(parts);
}

bool GuestChannel::send_gpa_direct(uint64_t transaction_id, uint32_t byte_offset,
                                   uint32_t byte_count, std::span<const uint64_t> pfns,
                                   std::span<const std::byte> payload) {
  struct Header {
    PacketDescriptor descriptor;
    GpaDirectHeader direct;
    GpaRangeHeader range;
  } header{};
  const size_t offset = sizeof(header) + pfns.size_bytes();
  const size_t length = align_up<size_t>(offset + payload.size(), 8);
  header.descriptor.type = packet_type::kDataUsingGpaDirect;
  header.descriptor.offset8 = static_cast<uint16_t>(offset / 8);
  header.descriptor.len8 = static_cast<uint16_t>(length / 8);
  header.descriptor.flags = kPacketFlagCompletionRequested;
  header.descriptor.transaction_id = transaction_id;
  header.direct.range_count = 1u;
  header.range = {byte_count, byte_offset};
  constexpr std::array<std::byte, 8> kZeroes{};
  const std::array parts = {
      wire_bytes(header), std::as_bytes(pfns), payload,
      std::span<const std::byte>(kZeroes).first(length - offset - payload.size())};
  return write(parts);
}

bool GuestChannel::send_raw(std::span<const std::byte> packet) {
  const std::array parts = {packet};
  return write(parts);
}

void GuestChannel::request_space(uint32_t length) {
  out_.word(control::kPendingSendSize).store(length);
}

bool GuestChannel::space_requested() const {
  return out_.word(control::kPendingSendSize).load() != 0;
}

void GuestChannel::ring_host() {
  const uint64_t one = 1;
  ++doorbells_;
  [[maybe_unused]] const ssize_t written = ::write(doorbell_fd_, &one, sizeof(one));
}

// --- receiving -----------------------------------------------------------------------------------

bool GuestChannel::has_packets() const {
  return in_.word(control::kWriteIndex).load(std::memory_order_acquire) != read_;
}

void GuestChannel::mask(bool masked) {
  in_.word(control::kInterruptMask).store(masked ? 1 : 0, std::memory_order_seq_cst);
}

const GuestPacket* GuestChannel::receive() {
  if (!has_packets()) return nullptr;
  PacketDescriptor& descriptor = packet_.descriptor;
  in_.copy_out(read_, std::as_writable_bytes(std::span(&descriptor, 1)));
  const uint32_t length = descriptor.len8 * 8u;
  const uint32_t offset = descriptor.offset8 * 8u;
  const auto bytes = std::span(buffer_).first(length);
  in_.copy_out(read_, bytes);
  packet_.header = bytes.subspan(sizeof(descriptor), offset - sizeof(descriptor));
  packet_.payload = bytes.subspan(offset);
  read_ = in_.advance(read_, length + kPacketTrailerBytes);
  return &packet_;
}

void GuestChannel::end_receive() {
  const uint32_t start = in_.word(control::kReadIndex).load(std::memory_order_relaxed);
  in_.word(control::kReadIndex).store(read_, std::memory_order_seq_cst);
  if ((in_.word(control::kFeatureBits).load() & kFeaturePendingSendSize) == 0) return;
  const uint32_t pending = in_.word(control::kPendingSendSize).load(std::memory_order_seq_cst);
  if (pending == 0) return;
  const uint32_t now_free = free_in(in_, read_, in_.word(control::kWriteIndex).load());
  const uint32_t bytes_read = in_.distance(start, read_);
  if (now_free - bytes_read > pending || now_free <= pending) return;
  ring_host();
}

const GuestPacket* GuestChannel::receive_one() {
  const GuestPacket* packet = receive();
  if (packet != nullptr) end_receive();
  return packet;
}

void GuestChannel::close() {
  guest_.post(message_type::kCloseChannel, RelidMessage{{}, relid_});
  guest_.tear_down_gpadl(relid_, gpadl_);
}

}  // namespace viridian::vmbus
