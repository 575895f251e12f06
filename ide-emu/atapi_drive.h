// An ATAPI CD-ROM drive: the packet protocol of ATA/ATAPI-7 volume 2, clause 9.8.
// Called with the function's gate held.
#pragma once

#include "ide-emu/drive.h"
#include "ide-emu/identify.h"

namespace viridian::ide {

class AtapiDrive final : public Drive {
 public:
  AtapiDrive(io::BlockDevice* medium, DriveIdentity identity, bool is_drive_1);

  bool takes_packets() const noexcept override { return true; }
  Outcome command(uint8_t code, std::span<std::byte> buffer, Transfer& transfer) noexcept override;
  void finish(io::IoStatus result, const Transfer& transfer) noexcept override;
  void soft_reset() noexcept override;
  void power_on() noexcept override;

 private:
  const DriveIdentity identity_;
  const bool is_drive_1_;
};

}  // namespace viridian::ide
