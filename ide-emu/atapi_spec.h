// Numbers of the packet commands: SPC-3 for those of every device, MMC-5 for those of CD and DVD
// drives, SFF-8020i for what older drivers still ask. Nothing here has behaviour.
#pragma once

#include <cstddef>
#include <cstdint>

namespace viridian::ide {

constexpr size_t kPacketBytes = 12;
constexpr uint32_t kCdBlockBytes = 2048;

// The interrupt reason in the count register: ATA/ATAPI-7 volume 2, clause 9.8.
namespace interrupt_reason {
constexpr uint8_t kPacket = 0x01, kDataIn = 0x02, kStatus = 0x03;
}

namespace opcode {
constexpr uint8_t kTestUnitReady = 0x00, kRequestSense = 0x03, kInquiry = 0x12;
constexpr uint8_t kStartStop = 0x1B, kPreventAllow = 0x1E, kReadCapacity = 0x25, kRead10 = 0x28;
constexpr uint8_t kSeek = 0x2B, kReadToc = 0x43, kGetConfiguration = 0x46, kGetEvent = 0x4A;
constexpr uint8_t kReadDiscInformation = 0x51, kModeSense10 = 0x5A, kRead12 = 0xA8;
constexpr uint8_t kSetCdSpeed = 0xBB, kMechanismStatus = 0xBD;
}  // namespace opcode

struct Sense {
  uint8_t key = 0, code = 0, qualifier = 0;
  friend constexpr bool operator==(const Sense&, const Sense&) = default;
};
namespace sense {
constexpr Sense kNone = {};
constexpr Sense kMediumAbsentTrayClosed = {2, 0x3A, 1}, kMediumAbsentTrayOpen = {2, 0x3A, 2};
constexpr Sense kUnrecoveredRead = {3, 0x11, 0};
constexpr Sense kInvalidOpcode = {5, 0x20, 0}, kAddressOutOfRange = {5, 0x21, 0};
constexpr Sense kInvalidField = {5, 0x24, 0}, kSavingUnsupported = {5, 0x39, 0};
constexpr Sense kRemovalPrevented = {5, 0x53, 2};
constexpr Sense kMediumChanged = {6, 0x28, 0}, kReset = {6, 0x29, 0};
constexpr Sense kAborted = {11, 0, 0};
}  // namespace sense

}  // namespace viridian::ide
