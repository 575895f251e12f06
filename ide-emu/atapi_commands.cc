#include "ide-emu/atapi_commands.h"

#include <algorithm>
#include <utility>

#include "base/checked.h"
#include "base/endian.h"

namespace viridian::ide {
namespace {

constexpr uint8_t kNoEvent = 0, kNewMedium = 2, kMediumRemoved = 3;  // MMC-5, table 297

uint8_t at(Packet packet, size_t index) { return std::to_integer<uint8_t>(packet[index]); }
uint16_t u16_at(Packet packet, size_t index) { return *read_wire<be16>(packet, index); }
uint32_t u32_at(Packet packet, size_t index) { return *read_wire<be32>(packet, index); }

CdRom::Reply failed(const Sense& sense) { return {.sense = sense}; }
CdRom::Reply data(size_t size, uint32_t allocation) {
  return {.bytes = std::min(static_cast<uint32_t>(size), allocation)};
}

// SPC-3, 5.2: these tell nothing of a pending unit attention and leave it pending.
bool ignores_attention(uint8_t code) {
  return code == opcode::kInquiry || code == opcode::kRequestSense ||
         code == opcode::kGetConfiguration || code == opcode::kGetEvent;
}

}  // namespace

CdRom::CdRom(const DriveIdentity& identity, uint32_t block_count)
    : identity_(identity), block_count_(block_count) {}

void CdRom::reset() noexcept {
  locked_ = false;
  sense_ = sense::kNone;
  attention_ = sense::kReset;
}

Disc CdRom::disc() const noexcept {
  return {.present = block_count_ > 0 && !tray_open_,
          .tray_open = tray_open_,
          .block_count = block_count_};
}

CdRom::Reply CdRom::execute(Packet packet, std::span<std::byte> buffer) noexcept {
  Reply reply;
  if (attention_ != sense::kNone && !ignores_attention(at(packet, 0))) {
    reply.sense = std::exchange(attention_, sense::kNone);
  } else {
    reply = dispatch(packet, buffer);
  }
  // Sense data lives until the next command; REQUEST SENSE has just taken it.
  sense_ = reply.sense;
  return reply;
}

CdRom::Reply CdRom::dispatch(Packet packet, std::span<std::byte> buffer) noexcept {
  switch (at(packet, 0)) {
    case opcode::kRequestSense:
      return request_sense(packet, buffer);
    case opcode::kInquiry:
      if ((at(packet, 1) & 1) != 0 || at(packet, 2) != 0) return failed(sense::kInvalidField);
      return data(build_inquiry(identity_, buffer), at(packet, 4));
    case opcode::kStartStop:
      return start_stop(at(packet, 4));
    case opcode::kPreventAllow:
      locked_ = (at(packet, 4) & 1) != 0;
      return {};
    case opcode::kGetConfiguration:
      return data(build_configuration(disc(), packet, buffer), u16_at(packet, 7));
    case opcode::kGetEvent:
      return get_event(packet, buffer);
    case opcode::kModeSense10:
      return mode_sense(packet, buffer);
    case opcode::kMechanismStatus:
      return data(build_mechanism_status(disc(), buffer), u16_at(packet, 8));
    case opcode::kSetCdSpeed:
      return {};
    default:
      return with_disc(packet, buffer);
  }
}

// The commands that need a disc in the drive.
CdRom::Reply CdRom::with_disc(Packet packet, std::span<std::byte> buffer) noexcept {
  const uint8_t code = at(packet, 0);
  switch (code) {
    case opcode::kTestUnitReady:
    case opcode::kReadCapacity:
    case opcode::kRead10:
    case opcode::kRead12:
    case opcode::kSeek:
    case opcode::kReadToc:
    case opcode::kReadDiscInformation:
      break;
    default:
      return failed(sense::kInvalidOpcode);
  }
  if (!disc().present) {
    return failed(tray_open_ ? sense::kMediumAbsentTrayOpen : sense::kMediumAbsentTrayClosed);
  }
  switch (code) {
    case opcode::kReadCapacity:
      return data(build_capacity(disc(), buffer), 8);
    case opcode::kRead10:
      return read(u32_at(packet, 2), u16_at(packet, 7));
    case opcode::kRead12:
      return read(u32_at(packet, 2), u32_at(packet, 6));
    case opcode::kSeek:
      return u32_at(packet, 2) < block_count_ ? Reply{} : failed(sense::kAddressOutOfRange);
    case opcode::kReadToc: {
      const auto size = build_toc(disc(), packet, buffer);
      return size ? data(*size, u16_at(packet, 7)) : failed(sense::kInvalidField);
    }
    case opcode::kReadDiscInformation:
      return data(build_disc_information(buffer), u16_at(packet, 7));
    default:
      return {};  // TEST UNIT READY
  }
}

CdRom::Reply CdRom::request_sense(Packet packet, std::span<std::byte> buffer) noexcept {
  const Sense told = sense_ != sense::kNone ? sense_ : std::exchange(attention_, sense::kNone);
  return data(build_sense(told, buffer), at(packet, 4));
}

CdRom::Reply CdRom::read(uint32_t block, uint32_t blocks) noexcept {
  if (!range_within(block, blocks, block_count_)) return failed(sense::kAddressOutOfRange);
  return {.block = block, .blocks = blocks};
}

// MMC-5, 6.45: LoEj with Start off opens the tray, with Start on closes it.
CdRom::Reply CdRom::start_stop(uint8_t what) noexcept {
  constexpr uint8_t kStart = 1, kLoadEject = 2;
  if ((what & kLoadEject) == 0) return {};
  const bool open = (what & kStart) == 0;
  if (open && locked_) return failed(sense::kRemovalPrevented);
  if (open == tray_open_) return {};
  tray_open_ = open;
  if (block_count_ == 0) return {};
  event_ = open ? kMediumRemoved : kNewMedium;
  if (!open) attention_ = sense::kMediumChanged;
  return {};
}

CdRom::Reply CdRom::get_event(Packet packet, std::span<std::byte> buffer) noexcept {
  if ((at(packet, 1) & 1) == 0) return failed(sense::kInvalidField);  // only polling
  const size_t size = build_event(disc(), event_, packet, buffer);
  if (size > 4) event_ = kNoEvent;
  return data(size, u16_at(packet, 7));
}

CdRom::Reply CdRom::mode_sense(Packet packet, std::span<std::byte> buffer) noexcept {
  if (at(packet, 2) >> 6 == 3) return failed(sense::kSavingUnsupported);
  const auto size = build_mode_pages(packet, locked_, buffer);
  return size ? data(*size, u16_at(packet, 7)) : failed(sense::kInvalidField);
}

}  // namespace viridian::ide
