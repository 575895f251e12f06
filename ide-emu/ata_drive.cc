#include "ide-emu/ata_drive.h"

#include <algorithm>
#include <array>

#include "base/checked.h"
#include "ide-emu/limits.h"

namespace viridian::ide {
namespace {

// How a media command moves its data.
struct MediaCommand {
  uint8_t code;
  Transfer::Flow flow;
  bool ext = false, dma = false, multiple = false, fua = false;
};

using Flow = Transfer::Flow;
constexpr std::array kCommands = {
    MediaCommand{command::kReadSectors, Flow::kIn},
    MediaCommand{command::kReadSectorsNoRetry, Flow::kIn},
    MediaCommand{command::kReadSectorsExt, Flow::kIn, true},
    MediaCommand{command::kReadMultiple, Flow::kIn, false, false, true},
    MediaCommand{command::kReadMultipleExt, Flow::kIn, true, false, true},
    MediaCommand{command::kReadDma, Flow::kIn, false, true},
    MediaCommand{command::kReadDmaNoRetry, Flow::kIn, false, true},
    MediaCommand{command::kReadDmaExt, Flow::kIn, true, true},
    MediaCommand{command::kWriteSectors, Flow::kOut},
    MediaCommand{command::kWriteSectorsNoRetry, Flow::kOut},
    MediaCommand{command::kWriteSectorsExt, Flow::kOut, true},
    MediaCommand{command::kWriteMultiple, Flow::kOut, false, false, true},
    MediaCommand{command::kWriteMultipleExt, Flow::kOut, true, false, true},
    MediaCommand{command::kWriteMultipleFuaExt, Flow::kOut, true, false, true, true},
    MediaCommand{command::kWriteDma, Flow::kOut, false, true},
    MediaCommand{command::kWriteDmaNoRetry, Flow::kOut, false, true},
    MediaCommand{command::kWriteDmaExt, Flow::kOut, true, true},
    MediaCommand{command::kWriteDmaFuaExt, Flow::kOut, true, true, false, true},
    MediaCommand{command::kVerify, Flow::kNone},
    MediaCommand{command::kVerifyNoRetry, Flow::kNone},
    MediaCommand{command::kVerifyExt, Flow::kNone, true},
};

const MediaCommand* find(uint8_t code) noexcept {
  const auto* it = std::find_if(kCommands.begin(), kCommands.end(),
                                [code](const MediaCommand& one) { return one.code == code; });
  return it == kCommands.end() ? nullptr : it;
}

}  // namespace

AtaDrive::AtaDrive(io::BlockDevice& disk, DriveIdentity identity, bool is_drive_1)
    : Drive(&disk),
      identity_(std::move(identity)),
      info_(disk.info()),
      is_drive_1_(is_drive_1),
      chs_(default_geometry(info_.sector_count)) {}

void AtaDrive::power_on() noexcept {
  settings_ = {};
  chs_ = default_geometry(info_.sector_count);
}

void AtaDrive::soft_reset() noexcept {
  power_ = Power::kActive;
  post_signature(0, 0, status_bit::kIdle);
}

Outcome AtaDrive::command(uint8_t code, std::span<std::byte> buffer, Transfer& transfer) noexcept {
  if (power_ == Power::kSleep) return abort();  // only a reset wakes it
  if (find(code) != nullptr) {
    power_ = Power::kActive;
    return start_media(code, transfer);
  }
  return other_command(code, buffer, transfer);
}

// The first sector of the command in the task file; nothing if CHS names none.
std::optional<uint64_t> AtaDrive::decode_address(Addressing addressing) const noexcept {
  switch (addressing) {
    case Addressing::kLba48:
      return task.lba48();
    case Addressing::kLba28:
      return task.lba28();
    case Addressing::kChs:
      break;
  }
  const unsigned cylinder = static_cast<unsigned>(task.high.now << 8 | task.mid.now);
  const unsigned sector = task.low.now;  // counts from 1
  if (sector == 0 || sector > chs_.sectors || task.head() >= chs_.heads ||
      cylinder >= chs_.cylinders) {
    return std::nullopt;
  }
  return (uint64_t{cylinder} * chs_.heads + task.head()) * chs_.sectors + sector - 1;
}

// Puts the address of the first sector in error where the command's own was.
void AtaDrive::report_address(uint64_t sector) noexcept {
  switch (addressing_) {
    case Addressing::kLba48:
      task.set_lba48(sector);
      return;
    case Addressing::kLba28:
      task.set_lba28(sector);
      return;
    case Addressing::kChs: {
      const uint64_t track = sector / chs_.sectors;
      const uint64_t cylinder = track / chs_.heads;
      task.low.now = static_cast<uint8_t>(sector % chs_.sectors + 1);
      task.set_head(static_cast<uint8_t>(track % chs_.heads));
      task.mid.now = static_cast<uint8_t>(cylinder);
      task.high.now = static_cast<uint8_t>(cylinder >> 8);
      return;
    }
  }
}

Outcome AtaDrive::start_media(uint8_t code, Transfer& transfer) noexcept {
  const MediaCommand& media = *find(code);
  if (media.multiple && settings_.multiple_sectors == 0) return abort();
  addressing_ = media.ext         ? Addressing::kLba48
                : task.uses_lba() ? Addressing::kLba28
                                  : Addressing::kChs;
  const uint64_t count = media.ext ? task.sectors48() : task.sectors28();
  const std::optional<uint64_t> first = decode_address(addressing_);
  if (!first) return abort(error_bit::kIdNotFound);
  if (!range_within<uint64_t>(*first, count, info_.sector_count)) {
    report_address(std::max(*first, info_.sector_count));
    return abort(error_bit::kIdNotFound);
  }
  if (media.flow == Flow::kOut && info_.read_only) return abort();

  transfer.flow = media.flow;
  transfer.dma = media.dma;
  transfer.disk = true;
  transfer.op = media.flow == Flow::kOut ? io::IoOp::kWrite : io::IoOp::kRead;
  transfer.fua = media.flow == Flow::kOut && (media.fua || !settings_.write_cache);
  transfer.sector = *first;
  transfer.sectors_left = count;
  transfer.request_sectors = media.multiple              ? settings_.multiple_sectors
                             : media.flow == Flow::kNone ? kMaxMultipleSectors
                                                         : 1;
  transfer.block_bytes = transfer.request_sectors * io::kSectorSize;
  // Reading by PIO is over with the last block, which had an interrupt of its own.
  transfer.interrupt_at_end = media.dma || media.flow != Flow::kIn;
  return Outcome::kTransfer;
}

Outcome AtaDrive::start_flush(Transfer& transfer) noexcept {
  transfer.disk = true;
  transfer.op = io::IoOp::kFlush;
  return Outcome::kTransfer;
}

// The one place where a disk's status becomes ATA's.
void AtaDrive::finish(io::IoStatus result, const Transfer& transfer) noexcept {
  if (result == io::IoStatus::kOk) return succeed();
  const bool read = transfer.op == io::IoOp::kRead;
  switch (result) {
    case io::IoStatus::kMediumError:
    case io::IoStatus::kNoSpace:
      if (read) {
        abort(error_bit::kUncorrectable);
      } else {
        // A write has no "uncorrectable": it is the device that failed (clause 6.2.10).
        abort();
        status |= status_bit::kFault;
      }
      break;
    case io::IoStatus::kOutOfRange:
      abort(error_bit::kIdNotFound);
      break;
    default:
      abort();
      return;
  }
  if (transfer.op != io::IoOp::kFlush) report_address(transfer.sector);
}

}  // namespace viridian::ide
