// RNDIS messages: Ethernet frames with what belongs to them, and the control requests of a network
// device. Microsoft's "Remote NDIS Specification" 1.1 and [MS-RNDIS]; what VMBus adds is in Linux's
// drivers/net/hyperv/hyperv_net.h. All fields are little-endian.
//
// Offsets within a message count from the byte behind its header, but for a control request's
// information buffer they count from the request id, which is the same byte.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/endian.h"

namespace viridian::netvsp {

namespace rndis_type {
constexpr uint32_t kPacket = 1;
constexpr uint32_t kInitialize = 2;
constexpr uint32_t kHalt = 3;
constexpr uint32_t kQuery = 4;
constexpr uint32_t kSet = 5;
constexpr uint32_t kReset = 6;
constexpr uint32_t kIndicateStatus = 7;
constexpr uint32_t kKeepAlive = 8;
constexpr uint32_t kCompletion = 0x80000000;  // with the request's type
}  // namespace rndis_type

namespace rndis_status {
constexpr uint32_t kSuccess = 0;
constexpr uint32_t kMediaConnect = 0x4001000B;
constexpr uint32_t kMediaDisconnect = 0x4001000C;
constexpr uint32_t kNotSupported = 0xC00000BB;
constexpr uint32_t kInvalidLength = 0xC0010014;
constexpr uint32_t kInvalidData = 0xC0010015;
}  // namespace rndis_status

struct RndisHeader {
  le32 type;
  le32 length;  // of the message, header included
};
static_assert(WireStruct<RndisHeader> && sizeof(RndisHeader) == 8);

struct RndisPacket {
  le32 data_offset;
  le32 data_length;
  le32 out_of_band_offset;
  le32 out_of_band_length;
  le32 out_of_band_count;
  le32 info_offset;  // of the per-packet information
  le32 info_length;
  le32 vc_handle;
  le32 reserved;
};
static_assert(WireStruct<RndisPacket> && sizeof(RndisPacket) == 36);

struct PacketInfo {  // one element of the per-packet information
  le32 size;         // with this header; a multiple of 4
  le32 type;         // bit 31: internal to the two sides
  le32 offset;       // of the value, from the start of this header
};
static_assert(WireStruct<PacketInfo> && sizeof(PacketInfo) == 12);
constexpr uint32_t kInfoInternal = 1u << 31;

namespace info_type {
constexpr uint32_t kChecksum = 0;
constexpr uint32_t kLargeSend = 2;
constexpr uint32_t kVlan = 6;
constexpr uint32_t kHash = 8;
constexpr uint32_t kPacketId = kInfoInternal | 1;
}  // namespace info_type

// The value of kChecksum, guest to host (NDIS_TCP_IP_CHECKSUM_NET_BUFFER_LIST_INFO).
namespace checksum_request {
constexpr uint32_t kIpv4 = 1, kIpv6 = 2, kTcp = 4, kUdp = 8, kIpHeader = 16;
constexpr uint32_t header_offset(uint32_t value) { return value >> 16 & 0x3FF; }
}  // namespace checksum_request

// And host to guest.
namespace checksum_result {
constexpr uint32_t kTcpGood = 8, kUdpGood = 16, kIpGood = 32;
}

// The value of kLargeSend, version 2 (NDIS_TCP_LARGE_SEND_OFFLOAD_NET_BUFFER_LIST_INFO).
namespace large_send {
constexpr uint32_t segment(uint32_t value) { return value & 0xFFFFF; }
constexpr uint32_t header_offset(uint32_t value) { return value >> 20 & 0x3FF; }
constexpr bool is_version2(uint32_t value) { return (value >> 30 & 1) != 0; }
constexpr bool is_ipv6(uint32_t value) { return value >> 31 != 0; }
}  // namespace large_send

// The value of kVlan: priority in bits 0 to 2, CFI in 3, id in 4 to 15. The tag on a wire has them
// the other way round.
constexpr uint16_t tag_of_info(uint32_t value) {
  return static_cast<uint16_t>((value & 7) << 13 | (value >> 3 & 1) << 12 | (value >> 4 & 0xFFF));
}
constexpr uint32_t info_of_tag(uint16_t tag) {
  return static_cast<uint32_t>(tag >> 13 | (tag >> 12 & 1) << 3 | (tag & 0xFFF) << 4);
}

// The value of kPacketId: which piece of a frame that takes several messages this is.
struct PacketId {
  uint8_t version;
  uint8_t flags;
  le16 id;
};
static_assert(WireStruct<PacketId> && sizeof(PacketId) == 4);
constexpr uint8_t kPiece = 1, kFirstPiece = 2, kLastPiece = 4;

// --- control -------------------------------------------------------------------------------------

struct InitializeRequest {
  le32 id;
  le32 major_version;
  le32 minor_version;
  le32 max_transfer_bytes;
};
static_assert(WireStruct<InitializeRequest> && sizeof(InitializeRequest) == 16);

struct InitializeComplete {
  le32 id;
  le32 status;
  le32 major_version;
  le32 minor_version;
  le32 device_flags;
  le32 medium;
  le32 max_packets_per_message;
  le32 max_transfer_bytes;
  le32 packet_alignment_log2;
  le32 af_list_offset;
  le32 af_list_size;
};
static_assert(WireStruct<InitializeComplete> && sizeof(InitializeComplete) == 44);
constexpr uint32_t kConnectionless = 1;

struct OidRequest {  // query and set
  le32 id;
  le32 oid;
  le32 length;  // of the information buffer
  le32 offset;
  le32 vc_handle;
};
static_assert(WireStruct<OidRequest> && sizeof(OidRequest) == 20);

struct QueryComplete {
  le32 id;
  le32 status;
  le32 length;
  le32 offset;
};
static_assert(WireStruct<QueryComplete> && sizeof(QueryComplete) == 16);

struct SimpleComplete {  // of set and keep-alive
  le32 id;
  le32 status;
};
static_assert(WireStruct<SimpleComplete> && sizeof(SimpleComplete) == 8);

struct ResetComplete {
  le32 status;
  le32 addressing_reset;
};
static_assert(WireStruct<ResetComplete> && sizeof(ResetComplete) == 8);

struct IndicateStatus {
  le32 status;
  le32 length;
  le32 offset;
};
static_assert(WireStruct<IndicateStatus> && sizeof(IndicateStatus) == 12);

}  // namespace viridian::netvsp
