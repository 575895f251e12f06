#include "ide-emu/atapi_drive.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "ide-emu/limits.h"

namespace viridian::ide {
namespace {

constexpr uint8_t kSignatureMid = 0x14, kSignatureHigh = 0xEB;
constexpr uint32_t kSectorsPerBlock = kCdBlockBytes / io::kSectorSize;
constexpr uint32_t kLargestByteCount = 0xFFFE;

uint32_t blocks_of(const io::BlockDevice* medium) {
  if (medium == nullptr) return 0;
  return static_cast<uint32_t>(
      std::min<uint64_t>(medium->info().sector_count / kSectorsPerBlock, UINT32_MAX));
}

// Clause 9.8: zero and FFFFh mean the largest; only the last block may be odd.
uint32_t byte_count_limit(const TaskFile& task) {
  const uint32_t asked = static_cast<uint32_t>(task.high.now << 8 | task.mid.now) & ~1u;
  return asked == 0 ? kLargestByteCount : asked;
}

}  // namespace

AtapiDrive::AtapiDrive(io::BlockDevice* medium, DriveIdentity identity, bool is_drive_1)
    : Drive(medium),
      identity_(std::move(identity)),
      is_drive_1_(is_drive_1),
      cdrom_(identity_, blocks_of(medium)) {}

void AtapiDrive::power_on() noexcept { dma_mode_ = transfer_mode::kMultiword2; }

void AtapiDrive::soft_reset() noexcept {
  stage_ = Stage::kNone;
  cdrom_.reset();
  post_signature(kSignatureMid, kSignatureHigh, 0);
}

Outcome AtapiDrive::command(uint8_t code, std::span<std::byte> buffer,
                            Transfer& transfer) noexcept {
  stage_ = Stage::kNone;
  switch (code) {
    case command::kPacket:
      return start_packet(transfer);
    case command::kIdentifyPacket:
      return identify(buffer, transfer);
    case command::kSetFeatures:
      return set_features();
    case command::kStandbyImmediate:
    case command::kIdleImmediate:
    case command::kSleep:
      succeed();
      return Outcome::kDone;
    case command::kCheckPower:
      task.count.now = 0xFF;
      succeed();
      return Outcome::kDone;
    case command::kIdentify:
    case command::kReadSectors:
      // Volume 1, clauses 6.16 and 6.35: a packet device aborts these and shows what it is.
      post_signature(kSignatureMid, kSignatureHigh, 0);
      return abort();
    default:
      return abort();
  }
}

Outcome AtapiDrive::start_packet(Transfer& transfer) noexcept {
  constexpr uint8_t kDma = 0x01, kOverlap = 0x02;
  if ((task.features.now & kOverlap) != 0) return abort();
  dma_ = (task.features.now & kDma) != 0;
  byte_count_limit_ = byte_count_limit(task);
  stage_ = Stage::kPacket;
  transfer.flow = Transfer::Flow::kOut;
  transfer.bytes = kPacketBytes;
  return Outcome::kTransfer;
}

Outcome AtapiDrive::identify(std::span<std::byte> buffer, Transfer& transfer) noexcept {
  const IdentifyWords words = identify_packet(identity_, dma_mode_, is_drive_1_);
  std::memcpy(buffer.data(), &words, sizeof(words));
  transfer.flow = Transfer::Flow::kIn;
  transfer.bytes = sizeof(words);
  transfer.interrupt_at_end = false;
  return Outcome::kTransfer;
}

Outcome AtapiDrive::set_features() noexcept {
  if (task.features.now != feature::kSetTransferMode) return abort();
  const uint8_t mode = task.count.now;
  switch (transfer_kind(mode)) {
    case TransferKind::kNone:
      return abort();
    case TransferKind::kDma:
      dma_mode_ = mode;
      break;
    case TransferKind::kPio:
      break;
  }
  succeed();
  return Outcome::kDone;
}

Outcome AtapiDrive::received(std::span<std::byte> buffer, Transfer& transfer) noexcept {
  std::array<std::byte, kPacketBytes> packet;
  std::copy_n(buffer.begin(), kPacketBytes, packet.begin());
  const CdRom::Reply reply = cdrom_.execute(packet, buffer);
  transfer = {.flow = Transfer::Flow::kIn, .dma = dma_};
  if (reply.sense != sense::kNone || (reply.bytes == 0 && reply.blocks == 0)) {
    end_packet(reply.sense);
    return Outcome::kDone;
  }
  stage_ = Stage::kData;
  transfer.block_bytes = byte_count_limit_;
  transfer.bytes = reply.bytes;
  if (reply.blocks > 0) {
    transfer.disk = true;
    transfer.sector = uint64_t{reply.block} * kSectorsPerBlock;
    transfer.sectors_left = uint64_t{reply.blocks} * kSectorsPerBlock;
    transfer.request_sectors = kBufferBytes / io::kSectorSize;
  }
  return Outcome::kTransfer;
}

void AtapiDrive::offer_block(uint32_t bytes) noexcept {
  if (stage_ == Stage::kPacket) {
    task.count.now = interrupt_reason::kPacket;
  } else if (stage_ == Stage::kData) {
    task.count.now = interrupt_reason::kDataIn;
    task.mid.now = static_cast<uint8_t>(bytes);
    task.high.now = static_cast<uint8_t>(bytes >> 8);
  }
}

// The end of a packet command: the sense key is in the error register too.
void AtapiDrive::end_packet(const Sense& sense) noexcept {
  stage_ = Stage::kNone;
  cdrom_.remember(sense);
  task.count.now = interrupt_reason::kStatus;
  if (sense == sense::kNone) return succeed();
  abort(static_cast<uint8_t>(sense.key << 4 | error_bit::kAbort));
}

void AtapiDrive::finish(io::IoStatus result, const Transfer&) noexcept {
  if (stage_ == Stage::kNone) return succeed();  // IDENTIFY
  switch (result) {
    case io::IoStatus::kOk:
      return end_packet(sense::kNone);
    case io::IoStatus::kMediumError:
      return end_packet(sense::kUnrecoveredRead);
    case io::IoStatus::kOutOfRange:
      return end_packet(sense::kAddressOutOfRange);
    default:
      return end_packet(sense::kAborted);
  }
}

}  // namespace viridian::ide
