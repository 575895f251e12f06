#include "nic-21140/transmitter.h"

#include <cstring>

#include "nic-21140/crc.h"
#include "nic-21140/limits.h"
#include "vswitch/frame.h"

namespace viridian::tulip {
namespace {

std::span<std::byte> bytes_of(rte_mbuf& frame) {
  return {rte_pktmbuf_mtod(&frame, std::byte*), rte_pktmbuf_data_len(&frame)};
}

}  // namespace

void Transmitter::stop() noexcept {
  if (state_ == TransmitState::kStopped) return;
  state_ = TransmitState::kStopped;
  in_frame_ = false;
  core_.interrupts.raise(cause::kTransmitStopped);
}

void Transmitter::demand() noexcept {
  if (state_ == TransmitState::kSuspended) state_ = TransmitState::kRunning;
}

void Transmitter::reset() noexcept {
  state_ = TransmitState::kStopped;
  in_frame_ = false;
  list_.rewind();
}

// A frame that was begun goes on when the guest gives its next segment and asks again.
void Transmitter::suspend() noexcept {
  state_ = TransmitState::kSuspended;
  core_.interrupts.raise(cause::kTransmitNoBuffer);
}

uint16_t Transmitter::poll(std::span<rte_mbuf*> frames) noexcept {
  uint16_t count = 0;
  for (unsigned step = 0; step < kDescriptorsPerPoll && count < frames.size(); ++step) {
    if (!runnable()) break;
    const auto descriptor = list_.peek();
    if (!descriptor) {
      core_.fail(GuestError::kTransmitListNotMemory);
      break;
    }
    const uint32_t control = descriptor->control;
    if ((descriptor->status & kOwn) == 0) {
      suspend();
    } else if ((control & tdes1::kSetup) != 0) {
      take_setup_frame(*descriptor);
    } else {
      if ((control & tdes1::kFirst) != 0 && !begin_frame()) break;
      if (!take_segment(*descriptor) || (control & tdes1::kLast) == 0) continue;
      if (rte_mbuf* frame = finish_frame(*descriptor)) frames[count++] = frame;
    }
  }
  return count;
}

// False: no frame is free. The descriptor stays the chip's, and the next poll() tries again.
bool Transmitter::begin_frame() noexcept {
  if (in_frame_) core_.statistics.errors.count(GuestError::kUnfinishedFrame);
  if (frame_ == nullptr) frame_ = rte_pktmbuf_alloc(&pool_);
  if (frame_ == nullptr) return false;
  rte_pktmbuf_reset(frame_);
  in_frame_ = true;
  return true;
}

bool Transmitter::append(uint32_t address, uint32_t length) noexcept {
  char* room = rte_pktmbuf_append(frame_, static_cast<uint16_t>(length));
  const auto bytes = core_.memory.window(Gpa{address}, length);
  if (!bytes) {
    core_.fail(GuestError::kTransmitBufferNotMemory);
    return false;
  }
  std::memcpy(room, bytes->data(), length);
  return true;
}

// True: its data was added to the frame. If it is not the frame's last, it was given back.
bool Transmitter::take_segment(const Descriptor& descriptor) noexcept {
  const uint32_t control = descriptor.control;
  const uint32_t first = BufferSize1::get(control);
  const uint32_t second = (control & kChained) != 0 ? 0 : BufferSize2::get(control);
  if (!in_frame_) {
    // Linux puts an empty one before a setup frame.
    if (first + second != 0) core_.statistics.errors.count(GuestError::kStraySegment);
    list_.close(descriptor, 0);
    return false;
  }
  const uint32_t total = rte_pktmbuf_data_len(frame_) + first + second;
  if (total > kMaxTransmitBytes || first + second > rte_pktmbuf_tailroom(frame_)) {
    jabber(descriptor);
    return false;
  }
  if (first != 0 && !append(descriptor.buffer1, first)) return false;
  if (second != 0 && !append(descriptor.buffer2, second)) return false;
  if ((control & tdes1::kLast) == 0) list_.close(descriptor, 0);
  return true;
}

void Transmitter::take_setup_frame(const Descriptor& descriptor) noexcept {
  if (BufferSize1::get(descriptor.control) != sizeof(SetupFrame)) {
    core_.statistics.errors.count(GuestError::kSetupFrameSize);
  } else if (const auto frame = core_.memory.read<SetupFrame>(Gpa{descriptor.buffer1.get()})) {
    core_.filter.load(descriptor.control, *frame);
    core_.statistics.setup_frames.add();
  } else {
    return core_.fail(GuestError::kTransmitBufferNotMemory);
  }
  list_.close(descriptor, tdes0::kSetupDone);
  if ((descriptor.control & tdes1::kInterrupt) != 0) core_.interrupts.raise(cause::kTransmit);
}

// The chip's timer cuts such a frame off and stops the process. It does so here with the jabber
// timer disabled too, since no frame can be longer.
void Transmitter::jabber(const Descriptor& descriptor) noexcept {
  core_.statistics.errors.count(GuestError::kFrameTooLong);
  list_.close(descriptor, tdes0::kJabberTimeout | tdes0::kErrorSummary);
  core_.interrupts.raise(cause::kTransmitJabber);
  stop();
}

// The frame goes to the caller, unless it would not survive a wire.
rte_mbuf* Transmitter::finish_frame(const Descriptor& descriptor) noexcept {
  const uint32_t control = descriptor.control;
  std::optional<GuestError> error;
  if ((control & tdes1::kNoCrc) != 0) {  // the last four bytes are the guest's own FCS
    const auto bytes = bytes_of(*frame_);
    const auto given =
        bytes.size() < kFcsBytes ? std::nullopt : read_wire<le32>(bytes, bytes.size() - kFcsBytes);
    const bool good =
        given && frame_check_sequence(bytes.first(bytes.size() - kFcsBytes)) == given->get();
    if (!good) error = GuestError::kBadFcs;
    if (good) rte_pktmbuf_trim(frame_, kFcsBytes);
  } else if (const uint32_t length = rte_pktmbuf_data_len(frame_);
             length < kMinFrameBytes && (control & tdes1::kNoPadding) == 0) {
    const uint32_t missing = kMinFrameBytes - length;
    std::memset(rte_pktmbuf_append(frame_, static_cast<uint16_t>(missing)), 0, missing);
  }
  if (!error && rte_pktmbuf_data_len(frame_) < vswitch::kEthernetHeaderBytes) {
    error = GuestError::kFrameTooShort;
  }
  if (error) core_.statistics.errors.count(*error);
  in_frame_ = false;
  list_.close(descriptor, 0);
  if ((control & tdes1::kInterrupt) != 0) core_.interrupts.raise(cause::kTransmit);
  return error ? nullptr : std::exchange(frame_, nullptr);
}

}  // namespace viridian::tulip
