// Builds the 256 words that IDENTIFY DEVICE and IDENTIFY PACKET DEVICE return: ATA/ATAPI-7
// volume 1, clauses 6.16 and 6.17.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "ide-emu/ata_spec.h"
#include "ide-emu/controller.h"

namespace viridian::ide {

// Cylinders, heads and sectors for a track: what CHS addresses mean.
struct Geometry {
  uint16_t cylinders = 1;
  uint8_t heads = 16;    // 1 to 16
  uint8_t sectors = 63;  // 1 to 255
};

// Volume 1, annex: 16 heads, 63 sectors, at most 16383 cylinders.
Geometry default_geometry(uint64_t sector_count);
// The most cylinders that the given heads and sectors leave.
uint16_t cylinder_count(uint64_t sector_count, uint8_t heads, uint8_t sectors);

struct Settings {
  uint8_t dma_mode = transfer_mode::kMultiword2;  // the selected one, as SET FEATURES names it
  uint8_t multiple_sectors = 0;                   // 0: READ MULTIPLE is off
  bool write_cache = true;
  bool read_ahead = true;
  bool smart = true;
};

struct AtaDescription {
  const DriveIdentity& identity;
  uint64_t sector_count;
  uint32_t physical_sector_size;
  Geometry default_chs, current_chs;
  Settings settings;
  bool is_drive_1;
};
IdentifyWords identify_ata(const AtaDescription& drive);
IdentifyWords identify_packet(const DriveIdentity& identity, uint8_t dma_mode, bool is_drive_1);

// What SET FEATURES may select: what a PIIX4 can clock.
enum class TransferKind : uint8_t { kNone, kPio, kDma };
TransferKind transfer_kind(uint8_t mode);

// kInvalidArgument unless every string fits its field and is printable ASCII.
Result<void> check_identity(const DriveIdentity& identity);

}  // namespace viridian::ide
