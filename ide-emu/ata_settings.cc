// The commands of an ATA disk that touch no sector: identity, settings, power, SMART.
#include <algorithm>
#include <bit>
#include <cstring>

#include "ide-emu/ata_drive.h"
#include "ide-emu/limits.h"
#include "ide-emu/smart.h"

namespace viridian::ide {

Outcome AtaDrive::other_command(uint8_t code, std::span<std::byte> buffer,
                                Transfer& transfer) noexcept {
  switch (code) {
    case command::kIdentify: {
      const IdentifyWords words = identify_ata({.identity = identity_,
                                                .sector_count = info_.sector_count,
                                                .physical_sector_size = info_.physical_sector_size,
                                                .default_chs = default_geometry(info_.sector_count),
                                                .current_chs = chs_,
                                                .settings = settings_,
                                                .is_drive_1 = is_drive_1_});
      return reply(wire_bytes(words), buffer, transfer);
    }
    case command::kFlush:
    case command::kFlushExt:
      return start_flush(transfer);
    case command::kSetFeatures:
      return set_features();
    case command::kSetMultiple:
      return set_multiple();
    case command::kInitializeParameters:
      return initialize_parameters();
    case command::kReadNativeMax:
    case command::kReadNativeMaxExt:
      return read_native_max(code == command::kReadNativeMaxExt);
    case command::kSmart:
      return smart_command(buffer, transfer);
    case command::kRecalibrate:
    case command::kSeek:
      succeed();
      return Outcome::kDone;
    default:
      return power_command(code);
  }
}

// One sector of the drive's own making, by PIO.
Outcome AtaDrive::reply(std::span<const std::byte> sector, std::span<std::byte> buffer,
                        Transfer& transfer) noexcept {
  std::memcpy(buffer.data(), sector.data(), io::kSectorSize);
  transfer.flow = Transfer::Flow::kIn;
  transfer.bytes = io::kSectorSize;
  transfer.interrupt_at_end = false;
  return Outcome::kTransfer;
}

Outcome AtaDrive::set_features() noexcept {
  switch (task.features.now) {
    case feature::kSetTransferMode:
      return set_transfer_mode(task.count.now);
    case feature::kEnableWriteCache:
    case feature::kDisableWriteCache:
      settings_.write_cache = task.features.now == feature::kEnableWriteCache;
      break;
    case feature::kEnableReadAhead:
    case feature::kDisableReadAhead:
      settings_.read_ahead = task.features.now == feature::kEnableReadAhead;
      break;
    case feature::kKeepSettings:
    case feature::kRevertSettings:
      break;  // settings outlive a soft reset either way
    default:
      return abort();
  }
  succeed();
  return Outcome::kDone;
}

Outcome AtaDrive::set_transfer_mode(uint8_t mode) noexcept {
  const TransferKind kind = transfer_kind(mode);
  if (kind == TransferKind::kNone) return abort();
  if (kind == TransferKind::kDma) settings_.dma_mode = mode;
  succeed();
  return Outcome::kDone;
}

Outcome AtaDrive::set_multiple() noexcept {
  const uint8_t sectors = task.count.now;
  if (sectors > kMaxMultipleSectors || (sectors != 0 && !std::has_single_bit(sectors))) {
    settings_.multiple_sectors = 0;  // clause 6.47.7: a refused count disables READ MULTIPLE
    return abort();
  }
  settings_.multiple_sectors = sectors;
  succeed();
  return Outcome::kDone;
}

Outcome AtaDrive::initialize_parameters() noexcept {
  if (task.count.now == 0) return abort();
  const auto heads = static_cast<uint8_t>(task.head() + 1);
  const uint8_t sectors = task.count.now;
  chs_ = {cylinder_count(info_.sector_count, heads, sectors), heads, sectors};
  succeed();
  return Outcome::kDone;
}

Outcome AtaDrive::read_native_max(bool ext) noexcept {
  if (info_.sector_count == 0 || !task.uses_lba()) return abort();
  const uint64_t last = info_.sector_count - 1;
  if (ext) {
    task.set_lba48(last);
  } else {
    task.set_lba28(std::min<uint64_t>(last, 0x0FFFFFFF));
  }
  succeed();
  return Outcome::kDone;
}

Outcome AtaDrive::power_command(uint8_t code) noexcept {
  switch (code) {
    case command::kStandby:
    case command::kStandbyImmediate:
    case command::kOldStandby:
    case command::kOldStandbyImmediate:
      power_ = Power::kStandby;
      break;
    case command::kIdle:
    case command::kIdleImmediate:
    case command::kOldIdle:
    case command::kOldIdleImmediate:
      power_ = Power::kActive;
      break;
    case command::kCheckPower:
    case command::kOldCheckPower:
      task.count.now = power_ == Power::kActive ? 0xFF : 0x00;
      break;
    case command::kSleep:
    case command::kOldSleep:
      power_ = Power::kSleep;
      break;
    default:
      return abort();  // NOP too: it always aborts
  }
  succeed();
  return Outcome::kDone;
}

Outcome AtaDrive::smart_command(std::span<std::byte> buffer, Transfer& transfer) noexcept {
  if (task.mid.now != smart::kKeyMid || task.high.now != smart::kKeyHigh) return abort();
  const uint8_t what = task.features.now;
  if (!settings_.smart && what != smart::kEnable) return abort();
  switch (what) {
    case smart::kEnable:
    case smart::kDisable:
      settings_.smart = what == smart::kEnable;
      break;
    case smart::kAutosave:
    case smart::kReturnStatus:  // healthy: the key stays as it came (clause 6.52.6)
      break;
    case smart::kReadData:
      return reply(smart_data(), buffer, transfer);
    case smart::kReadThresholds:
      return reply(smart_thresholds(), buffer, transfer);
    case smart::kReadLog: {
      const auto log = smart_log(task.low.now);
      if (!log || task.count.now != 1) return abort();
      return reply(*log, buffer, transfer);
    }
    default:
      return abort();
  }
  succeed();
  return Outcome::kDone;
}

}  // namespace viridian::ide
