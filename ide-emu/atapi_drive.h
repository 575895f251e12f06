// An ATAPI CD-ROM drive: the packet protocol of ATA/ATAPI-7 volume 2, clause 9.8, around CdRom,
// and the few ATA commands of a packet device. Called with the function's gate held.
#pragma once

#include "ide-emu/atapi_commands.h"
#include "ide-emu/drive.h"
#include "ide-emu/identify.h"

namespace viridian::ide {

class AtapiDrive final : public Drive {
 public:
  AtapiDrive(io::BlockDevice* medium, DriveIdentity identity, bool is_drive_1);

  bool takes_packets() const noexcept override { return true; }
  Outcome command(uint8_t code, std::span<std::byte> buffer, Transfer& transfer) noexcept override;
  Outcome received(std::span<std::byte> buffer, Transfer& transfer) noexcept override;
  void offer_block(uint32_t bytes) noexcept override;
  void finish(io::IoStatus result, const Transfer& transfer) noexcept override;
  void soft_reset() noexcept override;
  void power_on() noexcept override;

 private:
  enum class Stage : uint8_t { kNone, kPacket, kData };

  Outcome start_packet(Transfer& transfer) noexcept;
  Outcome identify(std::span<std::byte> buffer, Transfer& transfer) noexcept;
  Outcome set_features() noexcept;
  void end_packet(const Sense& sense) noexcept;

  const DriveIdentity identity_;
  const bool is_drive_1_;
  CdRom cdrom_;
  uint8_t dma_mode_ = transfer_mode::kMultiword2;
  Stage stage_ = Stage::kNone;     // of a PACKET command
  bool dma_ = false;               // its data go by DMA,
  uint32_t byte_count_limit_ = 0;  // or in DRQ blocks of at most this; both copied when it came
};

}  // namespace viridian::ide
