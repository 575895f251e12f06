#include "ide-emu/atapi_drive.h"

#include <cstring>

namespace viridian::ide {

AtapiDrive::AtapiDrive(io::BlockDevice* medium, DriveIdentity identity, bool is_drive_1)
    : Drive(medium), identity_(std::move(identity)), is_drive_1_(is_drive_1) {}

Outcome AtapiDrive::command(uint8_t code, std::span<std::byte> buffer,
                            Transfer& transfer) noexcept {
  if (code != command::kIdentifyPacket) return abort();
  const IdentifyWords words = identify_packet(identity_, transfer_mode::kMultiword2, is_drive_1_);
  std::memcpy(buffer.data(), &words, sizeof(words));
  transfer.flow = Transfer::Flow::kIn;
  transfer.bytes = sizeof(words);
  transfer.interrupt_at_end = false;
  return Outcome::kTransfer;
}

void AtapiDrive::finish(io::IoStatus, const Transfer&) noexcept { succeed(); }
void AtapiDrive::soft_reset() noexcept { post_signature(0x14, 0xEB, 0); }
void AtapiDrive::power_on() noexcept {}

}  // namespace viridian::ide
