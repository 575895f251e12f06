// What lies in a channel's rings: the control page of each and the packets in its data area.
// Facts: Linux include/linux/hyperv.h (struct hv_ring_buffer, struct vmpacket_descriptor and its
// followers). Each packet is followed by 8 bytes whose upper half is the packet's own offset.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/endian.h"

namespace viridian::vmbus {

constexpr uint32_t kPageBytes = 4096;
constexpr uint32_t kPacketTrailerBytes = 8;

// Byte offsets of the 32-bit words in a ring's control page. They are shared with the guest and
// therefore accessed as atomics, not as a structure.
namespace control {
constexpr size_t kWriteIndex = 0;        // writer's: where the next packet goes
constexpr size_t kReadIndex = 4;         // reader's: the oldest packet not yet taken
constexpr size_t kInterruptMask = 8;     // reader's: not 0: no interrupt wanted
constexpr size_t kPendingSendSize = 12;  // writer's: wants this many bytes free, and an interrupt
constexpr size_t kFeatureBits = 64;
}  // namespace control
constexpr uint32_t kFeaturePendingSendSize = 1;

namespace packet_type {
constexpr uint16_t kDataInBand = 6;
constexpr uint16_t kDataUsingTransferPages = 7;
constexpr uint16_t kDataUsingGpaDirect = 9;
constexpr uint16_t kCompletion = 11;
}  // namespace packet_type

constexpr uint16_t kPacketFlagCompletionRequested = 1;

struct PacketDescriptor {
  le16 type;
  le16 offset8;  // from the descriptor to the payload, in units of 8 bytes
  le16 len8;     // of the packet with its descriptor, without the trailer, in units of 8 bytes
  le16 flags;
  le64 transaction_id;
};
static_assert(WireStruct<PacketDescriptor> && sizeof(PacketDescriptor) == 16);

struct GpaDirectHeader {  // behind the descriptor; then range_count of GpaRangeHeader + PFNs
  le32 reserved;
  le32 range_count;
};
static_assert(WireStruct<GpaDirectHeader> && sizeof(GpaDirectHeader) == 8);

// Followed by as many 64-bit page numbers as the range touches pages.
struct GpaRangeHeader {
  le32 byte_count;
  le32 byte_offset;  // into the first page
};
static_assert(WireStruct<GpaRangeHeader> && sizeof(GpaRangeHeader) == 8);

struct TransferPagesHeader {  // behind the descriptor; then range_count of TransferRange
  le16 set_id;
  uint8_t sender_owns_set;
  uint8_t reserved;
  le32 range_count;
};
static_assert(WireStruct<TransferPagesHeader> && sizeof(TransferPagesHeader) == 8);

struct TransferRange {
  le32 byte_count;
  le32 byte_offset;
};
static_assert(WireStruct<TransferRange> && sizeof(TransferRange) == 8);

}  // namespace viridian::vmbus
