// What StorVSP and its guest say to each other: the 64-byte packets of storage protocol 5.1, 6.0
// and 6.2, as Linux's drivers/scsi/storvsc_drv.c has them. All fields are little-endian.
//
// Each packet of the guest is a VMBus packet that asks for a completion; the answer is that
// completion, 64 bytes with operation kCompleteIo. A command's data lies in the guest pages that
// a GPA-direct packet names. The host's own packets have transaction id 0 and want no answer.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/endian.h"
#include "base/guid.h"

namespace viridian::storvsp {

constexpr Guid kScsiControllerType = "ba6163d9-04a1-4d29-b605-72e2ffb1dc7f"_guid;
constexpr Guid kIdeAcceleratorType = "32412632-86cb-44a2-9b5c-50d1417354f5"_guid;

// major << 8 | minor
constexpr uint16_t kVersionWin8 = 0x0501;
constexpr uint16_t kVersionWin81 = 0x0600;
constexpr uint16_t kVersionWin10 = 0x0602;

namespace operation {
constexpr uint32_t kCompleteIo = 1;
constexpr uint32_t kExecuteSrb = 3;
constexpr uint32_t kResetLun = 4;
constexpr uint32_t kResetAdapter = 5;
constexpr uint32_t kResetBus = 6;
constexpr uint32_t kBeginInitialization = 7;
constexpr uint32_t kEndInitialization = 8;
constexpr uint32_t kQueryProtocolVersion = 9;
constexpr uint32_t kQueryProperties = 10;
constexpr uint32_t kEnumerateBus = 11;
constexpr uint32_t kCreateSubChannels = 13;
}  // namespace operation

// NTSTATUS values for the packet's status.
namespace packet_status {
constexpr uint32_t kSuccess = 0;
constexpr uint32_t kUnsuccessful = 0xc0000001;
constexpr uint32_t kInvalidParameter = 0xc000000d;
constexpr uint32_t kRevisionMismatch = 0xc0000059;
constexpr uint32_t kNotSupported = 0xc00000bb;
constexpr uint32_t kInvalidDeviceState = 0xc0000184;
}  // namespace packet_status

// What the port driver knows of a command's end, beside the SCSI status.
namespace srb_status {
constexpr uint8_t kSuccess = 0x01;
constexpr uint8_t kError = 0x04;
constexpr uint8_t kInvalidRequest = 0x06;
constexpr uint8_t kInvalidLun = 0x20;
constexpr uint8_t kAutosenseValid = 0x80;  // a flag on top of the others
}  // namespace srb_status

constexpr size_t kPayloadBytes = 52;
constexpr size_t kSrbSenseBytes = 20;

struct VstorPacket {
  le32 operation, flags, status;
  std::array<uint8_t, kPayloadBytes> payload;
};
static_assert(WireStruct<VstorPacket> && sizeof(VstorPacket) == 64);

struct Srb {  // the payload of kExecuteSrb and of its answer
  le16 length;
  uint8_t srb_status, scsi_status;
  uint8_t port, path, target, lun;
  uint8_t cdb_length, sense_length, data_in, reserved1;
  le32 data_length;
  std::array<uint8_t, kSrbSenseBytes> cdb_or_sense;
  le16 reserved2;
  uint8_t queue_tag, queue_action;
  le32 flags, timeout_s, sort_key;
};
static_assert(WireStruct<Srb> && sizeof(Srb) == kPayloadBytes);
static_assert(offsetof(Srb, data_length) == 12 && offsetof(Srb, flags) == 40);

struct SrbPacket {  // a VstorPacket with its payload spelled out
  le32 operation, flags, status;
  Srb srb;
};
static_assert(WireStruct<SrbPacket> && sizeof(SrbPacket) == sizeof(VstorPacket));

struct ChannelProperties {  // the answer to kQueryProperties
  le32 reserved1;
  le16 max_sub_channels, reserved2;
  le32 flags, max_transfer_bytes;
  le64 reserved3;
};
static_assert(WireStruct<ChannelProperties> && sizeof(ChannelProperties) == 24);
constexpr uint32_t kSupportsMultiChannel = 0x1;

struct ProtocolVersion {  // the payload of kQueryProtocolVersion
  le16 version, revision;
};
static_assert(WireStruct<ProtocolVersion> && sizeof(ProtocolVersion) == 4);

struct OfferProperties {  // the user-defined bytes of an IDE accelerator's offer
  le16 reserved1;
  uint8_t path, target;
  le32 reserved2, flags;
};
static_assert(WireStruct<OfferProperties> && sizeof(OfferProperties) == 12);
constexpr uint32_t kOfferEmulatedIde = 0x2;

}  // namespace viridian::storvsp
