// An ATA disk: decodes and answers the commands of ATA/ATAPI-7 volume 1, clause 6, General feature
// set with power management, SMART, 48-bit addresses, and CHS as old firmware uses it. Every code
// that kCommands does not list is aborted. Called with the function's gate held.
//
// Left out: SECURITY, host protected area (SET MAX), queued and streaming commands, APM and AAM.
#pragma once

#include <optional>

#include "ide-emu/drive.h"
#include "ide-emu/identify.h"

namespace viridian::ide {

class AtaDrive final : public Drive {
 public:
  AtaDrive(io::BlockDevice& disk, DriveIdentity identity, bool is_drive_1);

  Outcome command(uint8_t code, std::span<std::byte> buffer, Transfer& transfer) noexcept override;
  void finish(io::IoStatus result, const Transfer& transfer) noexcept override;
  void soft_reset() noexcept override;
  void power_on() noexcept override;

 private:
  enum class Addressing : uint8_t { kChs, kLba28, kLba48 };
  enum class Power : uint8_t { kActive, kStandby, kSleep };

  // ata_drive.cc: media access
  std::optional<uint64_t> decode_address(Addressing addressing) const noexcept;
  void report_address(uint64_t sector) noexcept;
  Outcome start_media(uint8_t code, Transfer& transfer) noexcept;
  Outcome start_flush(Transfer& transfer) noexcept;

  // ata_settings.cc: everything else
  Outcome other_command(uint8_t code, std::span<std::byte> buffer, Transfer& transfer) noexcept;
  Outcome reply(std::span<const std::byte> sector, std::span<std::byte> buffer,
                Transfer& transfer) noexcept;
  Outcome set_features() noexcept;
  Outcome set_transfer_mode(uint8_t mode) noexcept;
  Outcome set_multiple() noexcept;
  Outcome initialize_parameters() noexcept;
  Outcome read_native_max(bool ext) noexcept;
  Outcome power_command(uint8_t code) noexcept;
  Outcome smart_command(std::span<std::byte> buffer, Transfer& transfer) noexcept;

  const DriveIdentity identity_;
  const io::DiskInfo info_;  // read once: a disk keeps its size while it is attached
  const bool is_drive_1_;
  Geometry chs_;
  Settings settings_;
  Power power_ = Power::kActive;
  Addressing addressing_ = Addressing::kLba28;  // of the last media command, for its error
};

}  // namespace viridian::ide
