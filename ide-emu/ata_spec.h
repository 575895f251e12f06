// Numbers of ATA/ATAPI-7 volumes 1 and 2 (T13/1532D): registers, commands, and the words of
// IDENTIFY. Nothing here has behaviour.
#pragma once

#include <array>
#include <cstdint>

#include "base/endian.h"

namespace viridian::ide {

// The command block, by offset from 1F0h or 170h: volume 2, clause 5.
namespace port {
constexpr unsigned kData = 0, kError = 1, kFeatures = 1, kCount = 2, kLbaLow = 3, kLbaMid = 4;
constexpr unsigned kLbaHigh = 5, kDevice = 6, kStatus = 7, kCommand = 7;
}  // namespace port

namespace status_bit {
constexpr uint8_t kErr = 0x01, kDrq = 0x08, kSeekComplete = 0x10, kFault = 0x20, kReady = 0x40;
constexpr uint8_t kBusy = 0x80;
constexpr uint8_t kIdle = kReady | kSeekComplete;
}  // namespace status_bit

namespace error_bit {
constexpr uint8_t kAbort = 0x04, kIdNotFound = 0x10, kUncorrectable = 0x40;
constexpr uint8_t kDiagnosticPassed = 0x01;  // after a reset
}  // namespace error_bit

namespace device_bit {
constexpr uint8_t kDrive = 0x10, kLba = 0x40, kHead = 0x0F;
}

namespace control_bit {
constexpr uint8_t kNoInterrupt = 0x02, kSoftReset = 0x04, kHighOrder = 0x80;
}

namespace command {
constexpr uint8_t kNop = 0x00, kDeviceReset = 0x08, kRecalibrate = 0x10;
constexpr uint8_t kReadSectors = 0x20, kReadSectorsNoRetry = 0x21, kReadSectorsExt = 0x24;
constexpr uint8_t kReadDmaExt = 0x25, kReadNativeMaxExt = 0x27, kReadMultipleExt = 0x29;
constexpr uint8_t kWriteSectors = 0x30, kWriteSectorsNoRetry = 0x31, kWriteSectorsExt = 0x34;
constexpr uint8_t kWriteDmaExt = 0x35, kWriteMultipleExt = 0x39, kWriteDmaFuaExt = 0x3D;
constexpr uint8_t kVerify = 0x40, kVerifyNoRetry = 0x41, kVerifyExt = 0x42, kSeek = 0x70;
constexpr uint8_t kDiagnostic = 0x90, kInitializeParameters = 0x91;
constexpr uint8_t kPacket = 0xA0, kIdentifyPacket = 0xA1, kSmart = 0xB0;
constexpr uint8_t kReadMultiple = 0xC4, kWriteMultiple = 0xC5, kSetMultiple = 0xC6;
constexpr uint8_t kReadDma = 0xC8, kReadDmaNoRetry = 0xC9, kWriteDma = 0xCA;
constexpr uint8_t kWriteDmaNoRetry = 0xCB, kWriteMultipleFuaExt = 0xCE;
constexpr uint8_t kStandbyImmediate = 0xE0, kIdleImmediate = 0xE1, kStandby = 0xE2, kIdle = 0xE3;
constexpr uint8_t kCheckPower = 0xE5, kSleep = 0xE6, kFlush = 0xE7, kFlushExt = 0xEA;
constexpr uint8_t kIdentify = 0xEC, kSetFeatures = 0xEF, kReadNativeMax = 0xF8;
// The codes of the power commands before ATA-4, which some BIOSes still send.
constexpr uint8_t kOldStandbyImmediate = 0x94, kOldIdleImmediate = 0x95, kOldStandby = 0x96;
constexpr uint8_t kOldIdle = 0x97, kOldCheckPower = 0x98, kOldSleep = 0x99;
}  // namespace command

// SET FEATURES, subcommands in the features register: volume 1, clause 6.43.
namespace feature {
constexpr uint8_t kEnableWriteCache = 0x02, kSetTransferMode = 0x03, kDisableReadAhead = 0x55;
constexpr uint8_t kKeepSettings = 0x66, kDisableWriteCache = 0x82, kEnableReadAhead = 0xAA;
constexpr uint8_t kRevertSettings = 0xCC;
}  // namespace feature

// Transfer modes: class in the high five bits, mode in the low three.
namespace transfer_mode {
constexpr uint8_t kPioDefault = 0x00, kPioDefaultNoIordy = 0x01;
constexpr uint8_t kPio0 = 0x08, kPio4 = 0x0C, kMultiword0 = 0x20, kMultiword2 = 0x22;
constexpr uint8_t kUltra0 = 0x40, kUltra2 = 0x42;  // all that a PIIX4 can clock
}  // namespace transfer_mode

// SMART, subcommands in the features register: volume 1, clause 6.52.
namespace smart {
constexpr uint8_t kReadData = 0xD0, kReadThresholds = 0xD1, kAutosave = 0xD2, kOffline = 0xD4;
constexpr uint8_t kReadLog = 0xD5, kEnable = 0xD8, kDisable = 0xD9, kReturnStatus = 0xDA;
constexpr uint8_t kKeyMid = 0x4F, kKeyHigh = 0xC2;
}  // namespace smart

using IdentifyWords = std::array<le16, 256>;
static_assert(WireStruct<IdentifyWords> && sizeof(IdentifyWords) == 512);

// A physical region descriptor: "Programming Interface for Bus Master IDE Controller" 1.0, 1.2.
struct PrdEntry {
  le32 address;  // bit 0 is ignored
  le16 bytes;    // bit 0 is ignored; 0 means 64 KiB
  le16 flags;
};
static_assert(WireStruct<PrdEntry> && sizeof(PrdEntry) == 8);
constexpr uint16_t kPrdEndOfTable = 0x8000;

// The bus master's registers of one channel, and their bits: the same, 2.
namespace bus_master {
constexpr unsigned kCommand = 0, kStatus = 2, kTable = 4, kSize = 8;
constexpr uint8_t kStart = 0x01, kToMemory = 0x08;
constexpr uint8_t kActive = 0x01, kError = 0x02, kInterrupt = 0x04, kDrivesCapable = 0x60;
}  // namespace bus_master

}  // namespace viridian::ide
