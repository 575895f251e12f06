#include "ide-emu/identify.h"

#include <algorithm>
#include <bit>
#include <numeric>
#include <span>

#include "ide-emu/limits.h"

namespace viridian::ide {
namespace {

constexpr uint64_t kLba28Limit = 0x0FFFFFFF;
constexpr size_t kModelBytes = 40, kSerialBytes = 20, kFirmwareBytes = 8;

// Strings are padded with spaces, and the first character of a pair is in a word's high byte.
void put_text(std::span<le16> words, const std::string& text) {
  auto at = [&](size_t i) { return static_cast<uint8_t>(i < text.size() ? text[i] : ' '); };
  for (size_t i = 0; i < words.size(); ++i) {
    words[i] = static_cast<uint16_t>(at(2 * i) << 8 | at(2 * i + 1));
  }
}

void put_identity(std::span<le16> words, const DriveIdentity& identity) {
  put_text(words.subspan(10, kSerialBytes / 2), identity.serial);
  put_text(words.subspan(23, kFirmwareBytes / 2), identity.firmware);
  put_text(words.subspan(27, kModelBytes / 2), identity.model);
}

// Words 49, 53, 63 to 68, 88, 93: DMA and PIO modes, alike for both kinds of drive.
void put_modes(std::span<le16> words, uint8_t dma_mode, bool is_drive_1) {
  words[49] = 0x0B00;  // IORDY, LBA, DMA
  words[51] = 0x0200;
  words[53] = 0x0006;  // words 64 to 70 and 88 are valid
  words[63] = 0x0007;  // multiword DMA 0 to 2
  words[64] = 0x0003;  // PIO 3 and 4
  for (size_t i = 65; i <= 68; ++i)
    words[i] = 120;    // ns for a cycle, all four kinds
  words[88] = 0x0007;  // Ultra DMA 0 to 2
  const size_t word = dma_mode >= transfer_mode::kUltra0 ? 88 : 63;
  words[word] = static_cast<uint16_t>(words[word] | 0x100 << (dma_mode & 7));
  words[93] = is_drive_1 ? 0x6300 : 0x6003;  // 80 conductors; the number was set by a jumper
}

// Word 255: the checksum makes the sum of all bytes zero.
void seal(IdentifyWords& words) {
  words[255] = 0x00A5;
  const auto bytes = wire_bytes(words);
  const unsigned sum = std::accumulate(bytes.begin(), bytes.end(), 0u, [](unsigned a, std::byte b) {
    return a + std::to_integer<unsigned>(b);
  });
  words[255] = static_cast<uint16_t>(0x00A5 | (0x100 - (sum & 0xFF)) << 8);
}

void put_chs(IdentifyWords& words, const AtaDescription& drive) {
  words[1] = drive.default_chs.cylinders;
  words[3] = drive.default_chs.heads;
  words[6] = drive.default_chs.sectors;
  const Geometry& now = drive.current_chs;
  words[54] = now.cylinders;
  words[55] = now.heads;
  words[56] = now.sectors;
  const uint32_t capacity = uint32_t{now.cylinders} * now.heads * now.sectors;
  words[57] = static_cast<uint16_t>(capacity);
  words[58] = static_cast<uint16_t>(capacity >> 16);
}

// Words 82 to 87: what is supported, and what of it is on.
void put_features(IdentifyWords& words, const Settings& settings) {
  constexpr uint16_t kSmart = 1 << 0, kPower = 1 << 3, kWriteCache = 1 << 5, kReadAhead = 1 << 6;
  constexpr uint16_t kNop = 1 << 14;
  words[82] = kSmart | kPower | kWriteCache | kReadAhead | kNop;
  words[85] = static_cast<uint16_t>(kPower | kNop | (settings.smart ? kSmart : 0) |
                                    (settings.write_cache ? kWriteCache : 0) |
                                    (settings.read_ahead ? kReadAhead : 0));
  words[83] = 0x4000 | 0x3400;  // FLUSH CACHE EXT, FLUSH CACHE, 48-bit addresses
  words[86] = 0x3400;
  words[84] = 0x4000 | 0x0043;  // WRITE ... FUA EXT, SMART self-test and error log
  words[87] = 0x4000 | 0x0043;
}

}  // namespace

uint16_t cylinder_count(uint64_t sector_count, uint8_t heads, uint8_t sectors) {
  const uint64_t cylinders = sector_count / (uint64_t{heads} * sectors);
  return static_cast<uint16_t>(std::clamp<uint64_t>(cylinders, 1, 16383));
}

Geometry default_geometry(uint64_t sector_count) {
  return {cylinder_count(sector_count, 16, 63), 16, 63};
}

IdentifyWords identify_ata(const AtaDescription& drive) {
  IdentifyWords words{};
  words[0] = 0x0040;  // not removable
  words[2] = 0xC837;  // needs no SET FEATURES to spin up; this data is complete
  put_identity(words, drive.identity);
  put_chs(words, drive);
  put_modes(words, drive.settings.dma_mode, drive.is_drive_1);
  words[47] = 0x8000 | kMaxMultipleSectors;
  words[49] = static_cast<uint16_t>(words[49] | 0x2400);  // standard standby timer, IORDY can go
  words[50] = 0x4000;
  words[53] = 0x0007;
  const uint8_t multiple = drive.settings.multiple_sectors;
  words[59] = static_cast<uint16_t>(multiple == 0 ? 0 : 0x0100 | multiple);
  const uint64_t lba28 = std::min(drive.sector_count, kLba28Limit);
  words[60] = static_cast<uint16_t>(lba28);
  words[61] = static_cast<uint16_t>(lba28 >> 16);
  words[80] = 0x00FE;  // ATA-1 to ATA/ATAPI-7
  put_features(words, drive.settings);
  for (size_t i = 0; i < 4; ++i)
    words[100 + i] = static_cast<uint16_t>(drive.sector_count >> (16 * i));
  const uint32_t per_physical = drive.physical_sector_size / 512;
  words[106] = 0x4000;
  if (per_physical > 1 && std::has_single_bit(per_physical)) {
    words[106] = static_cast<uint16_t>(0x6000 | std::countr_zero(per_physical));
  }
  seal(words);
  return words;
}

IdentifyWords identify_packet(const DriveIdentity& identity, uint8_t dma_mode, bool is_drive_1) {
  IdentifyWords words{};
  words[0] = 0x85C0;  // packet device, CD-ROM, removable, DRQ within 50 us, 12-byte packets
  put_identity(words, identity);
  put_modes(words, dma_mode, is_drive_1);
  words[80] = 0x00F0;  // ATA/ATAPI-4 to -7
  words[82] = 0x4210;  // NOP, DEVICE RESET, PACKET
  words[83] = 0x4000;
  words[84] = 0x4000;
  words[85] = 0x4210;
  words[87] = 0x4000;
  seal(words);
  return words;
}

TransferKind transfer_kind(uint8_t mode) {
  namespace modes = transfer_mode;
  auto between = [mode](uint8_t first, uint8_t last) { return mode >= first && mode <= last; };
  if (between(modes::kPioDefault, modes::kPioDefaultNoIordy)) return TransferKind::kPio;
  if (between(modes::kPio0, modes::kPio4)) return TransferKind::kPio;
  if (between(modes::kMultiword0, modes::kMultiword2)) return TransferKind::kDma;
  if (between(modes::kUltra0, modes::kUltra2)) return TransferKind::kDma;
  return TransferKind::kNone;
}

Result<void> check_identity(const DriveIdentity& identity) {
  struct Field {
    const char* name;
    const std::string& text;
    size_t limit;
  };
  for (const Field& field :
       {Field{"model", identity.model, kModelBytes}, Field{"serial", identity.serial, kSerialBytes},
        Field{"firmware", identity.firmware, kFirmwareBytes}}) {
    const bool printable = std::all_of(field.text.begin(), field.text.end(),
                                       [](char c) { return c >= ' ' && c <= '~'; });
    if (field.text.size() > field.limit || !printable) {
      return fail(ErrorKind::kInvalidArgument,
                  "drive {} \"{}\": takes at most {} printable ASCII characters", field.name,
                  field.text, field.limit);
    }
  }
  return {};
}

}  // namespace viridian::ide
