#include "nic-21140/receiver.h"

#include <algorithm>
#include <cstring>

#include "nic-21140/crc.h"
#include "vswitch/frame.h"

namespace viridian::tulip {
namespace {

constexpr uint32_t kAddressesBytes = 2 * kAddressBytes;
constexpr uint16_t kVlanEtherType = 0x8100, kSmallestEtherType = 0x0600;

uint32_t tag_bytes_of(const rte_mbuf& frame) {
  return (frame.ol_flags & vswitch::kFrameVlan) == vswitch::kFrameVlan ? kVlanTagBytes : 0;
}

}  // namespace

void Receiver::start() noexcept {
  if (state_ != ReceiveState::kStopped) return;
  state_ = ReceiveState::kWaiting;
  acquire();
}

void Receiver::stop() noexcept {
  if (state_ == ReceiveState::kStopped) return;
  state_ = ReceiveState::kStopped;
  core_.interrupts.raise(cause::kReceiveStopped);
}

void Receiver::demand() noexcept {
  if (state_ == ReceiveState::kSuspended) acquire();
}

void Receiver::reset() noexcept {
  state_ = ReceiveState::kStopped;
  missed_ = 0;
  list_.rewind();
}

// Whether the next descriptor is the chip's. The cause is raised only when the process suspends:
// the chip does not repeat it while it stays so.
bool Receiver::acquire() noexcept {
  if (core_.failed || !core_.bus_master) return false;
  const auto descriptor = list_.peek();
  if (!descriptor) {
    core_.fail(GuestError::kReceiveListNotMemory);
    return false;
  }
  if ((descriptor->status & kOwn) != 0) {
    state_ = ReceiveState::kWaiting;
    return true;
  }
  if (state_ == ReceiveState::kWaiting) core_.interrupts.raise(cause::kReceiveNoBuffer);
  state_ = ReceiveState::kSuspended;
  return false;
}

// The frame as it was on the wire: its tag in place, padded, with its FCS.
std::span<const std::byte> Receiver::stage(const rte_mbuf& frame) noexcept {
  const uint32_t tag_bytes = tag_bytes_of(frame);
  const uint32_t length = frame.pkt_len;
  std::byte* at = staging_.data();
  uint32_t skip = 0;
  if (tag_bytes != 0) {
    const std::array<be16, 2> tag = {kVlanEtherType, frame.vlan_tci};
    std::memcpy(at, rte_pktmbuf_mtod(&frame, const std::byte*), kAddressesBytes);
    std::memcpy(at + kAddressesBytes, tag.data(), kVlanTagBytes);
    at += kAddressesBytes + kVlanTagBytes;
    skip = kAddressesBytes;
  }
  for (const rte_mbuf* part = &frame; part != nullptr; part = part->next) {
    const uint32_t bytes = part->data_len - skip;
    std::memcpy(at, rte_pktmbuf_mtod(part, const std::byte*) + skip, bytes);
    at += bytes;
    skip = 0;
  }
  uint32_t total = length + tag_bytes;
  if (total < kMinFrameBytes) {
    std::memset(staging_.data() + total, 0, kMinFrameBytes - total);
    total = kMinFrameBytes;
  }
  const le32 fcs = frame_check_sequence(std::span(staging_).first(total));
  std::memcpy(staging_.data() + total, &fcs, kFcsBytes);
  return std::span(staging_).first(total + kFcsBytes);
}

// What RDES0 says of the frame's kind, or nothing if the guest is not to have the frame.
std::optional<uint32_t> Receiver::judge(const rte_mbuf& frame) noexcept {
  Statistics& statistics = core_.statistics;
  if (state() == ReceiveState::kStopped || !core_.bus_master || !core_.link) {
    statistics.not_running.add();
    return std::nullopt;
  }
  const uint32_t total = frame.pkt_len + tag_bytes_of(frame) + kFcsBytes;
  if (frame.data_len < vswitch::kEthernetHeaderBytes || total > kMaxReceiveBytes) {
    statistics.bad_length.add();
    return std::nullopt;
  }
  const std::span header(rte_pktmbuf_mtod(&frame, const std::byte*), vswitch::kEthernetHeaderBytes);
  const AddressFilter::Address destination = header.first<kAddressBytes>();
  const bool multicast = AddressFilter::is_multicast(destination);
  const bool matched = (core_.mode & csr6::kPromiscuous) != 0 ||
                       (multicast && (core_.mode & csr6::kPassAllMulticast) != 0) ||
                       core_.filter.accepts(destination);
  if (!matched && (core_.mode & csr6::kReceiveAll) == 0) {
    statistics.filtered.add();
    return std::nullopt;
  }
  uint32_t status = matched ? 0 : rdes0::kFilteringFail;
  if (multicast) status |= rdes0::kMulticast;
  const bool typed = tag_bytes_of(frame) != 0 ||
                     read_wire<be16>(header, kAddressesBytes)->get() >= kSmallestEtherType;
  if (typed) status |= rdes0::kFrameType;
  if (total > kMaxEthernetBytes) status |= rdes0::kTooLong;
  return status;
}

bool Receiver::deliver(const rte_mbuf& frame) noexcept {
  const auto status = judge(frame);
  if (!status) return true;
  if (!acquire()) {
    miss();
    return false;
  }
  put(stage(frame), *status);
  return true;
}

void Receiver::overlook(const rte_mbuf& frame) noexcept {
  if (judge(frame)) miss();
}

// Called with the next descriptor acquired. A frame that finds too few buffers is cut off.
void Receiver::put(std::span<const std::byte> bytes, uint32_t status) noexcept {
  const auto length = static_cast<uint32_t>(bytes.size());
  std::span<const std::byte> rest = bytes;
  uint32_t position = rdes0::kFirst;
  for (unsigned step = 1;; ++step) {
    const auto descriptor = list_.peek();
    if (!descriptor || (descriptor->status & kOwn) == 0) return;  // the guest took it back
    if (!fill(*descriptor, rest)) {
      return core_.fail(GuestError::kReceiveBufferNotMemory);
    }
    bool last = rest.empty();
    if (!last) {
      const auto next = list_.peek_after(*descriptor);
      const bool too_many = step == kDescriptorsPerFrame;
      if (too_many) core_.statistics.errors.count(GuestError::kTooManyDescriptors);
      if (too_many || !next || (next->status & kOwn) == 0) {
        status |= rdes0::kDescriptorError | rdes0::kErrorSummary;
        last = true;
      }
    }
    if (!last) {
      list_.close(*descriptor, position);
      position = 0;
      continue;
    }
    status |= position | rdes0::kLast;
    list_.close(*descriptor,
                rdes0::FrameLength::with(status, length - static_cast<uint32_t>(rest.size())));
    break;
  }
  core_.interrupts.raise(cause::kReceive);
  core_.statistics.received.add();
  core_.statistics.received_bytes.add(length - kFcsBytes);
  acquire();  // the chip reads ahead, and says so at once if there is no next one
}

bool Receiver::fill(const Descriptor& descriptor, std::span<const std::byte>& rest) noexcept {
  const uint32_t control = descriptor.control;
  const auto put_into = [&](uint32_t address, size_t size) {
    const auto part = rest.first(std::min(rest.size(), size));
    if (part.empty()) return true;
    rest = rest.subspan(part.size());
    return core_.memory.write(Gpa{address}, part);
  };
  if (!put_into(descriptor.buffer1, BufferSize1::get(control))) return false;
  return (control & kChained) != 0 || put_into(descriptor.buffer2, BufferSize2::get(control));
}

void Receiver::miss() noexcept {
  core_.statistics.missed.add();
  if (csr8::Missed::get(missed_) == csr8::Missed::kMask) missed_ |= csr8::kMissedOverflow;
  missed_ = csr8::Missed::with(missed_, missed_ + 1);
}

uint32_t Receiver::take_missed() noexcept { return std::exchange(missed_, 0); }

}  // namespace viridian::tulip
