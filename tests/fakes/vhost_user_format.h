// Messages of a vhost-user front end (QEMU: docs/interop/vhost-user.rst, "Message Specification")
// and the split ring of virtio 1.2, section 2.7. For the fake front end of the tests.
#pragma once

#include "base/endian.h"

namespace viridian::fakes {

namespace vhost_request {
constexpr uint32_t kGetFeatures = 1, kSetFeatures = 2, kSetOwner = 3, kSetMemTable = 5,
                   kSetRingSize = 8, kSetRingAddress = 9, kSetRingBase = 10, kGetRingBase = 11,
                   kSetRingKick = 12, kSetRingCall = 13, kGetProtocolFeatures = 15,
                   kSetProtocolFeatures = 16, kEnableRing = 18, kSendRarp = 19, kSetMtu = 20;
}

struct VhostHeader {
  le32 request;
  le32 flags;
  le32 payload_bytes;
};
static_assert(WireStruct<VhostHeader> && sizeof(VhostHeader) == 12);

struct VhostRingState {
  le32 index;
  le32 value;
};
static_assert(WireStruct<VhostRingState> && sizeof(VhostRingState) == 8);

struct VhostRingAddress {
  le32 index;
  le32 flags;
  le64 descriptors;
  le64 used;
  le64 available;
  le64 log;
};
static_assert(WireStruct<VhostRingAddress> && sizeof(VhostRingAddress) == 40);

struct VhostMemory {
  le32 region_count;
  le32 padding;
  le64 guest_address;
  le64 bytes;
  le64 user_address;
  le64 offset;
};
static_assert(WireStruct<VhostMemory> && sizeof(VhostMemory) == 40);

struct RingDescriptor {
  static constexpr uint16_t kNext = 1, kWrite = 2;
  le64 address;
  le32 bytes;
  le16 flags;
  le16 next;
};
static_assert(WireStruct<RingDescriptor> && sizeof(RingDescriptor) == 16);

struct UsedEntry {
  le32 index;
  le32 bytes;
};
static_assert(WireStruct<UsedEntry> && sizeof(UsedEntry) == 8);

// The header of a frame in the ring of a device of virtio 1.0: with the count of buffers.
struct NetHeader {
  uint8_t flags;
  uint8_t segment_type;
  le16 header_bytes;
  le16 segment_bytes;
  le16 checksum_start;
  le16 checksum_offset;
  le16 buffers;
};
static_assert(WireStruct<NetHeader> && sizeof(NetHeader) == 12);

}  // namespace viridian::fakes
