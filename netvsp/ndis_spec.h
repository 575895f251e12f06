// NDIS objects that travel in OID requests: offloads and receive scaling. [MS-DOCS] ntddndis.h;
// the layouts are those of Linux's drivers/net/hyperv/hyperv_net.h. All fields are little-endian.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/endian.h"

namespace viridian::netvsp {

namespace oid {
constexpr uint32_t kSupportedList = 0x00010101;
constexpr uint32_t kHardwareStatus = 0x00010102;
constexpr uint32_t kMediaSupported = 0x00010103;
constexpr uint32_t kMediaInUse = 0x00010104;
constexpr uint32_t kMaximumFrameSize = 0x00010106;
constexpr uint32_t kLinkSpeed = 0x00010107;
constexpr uint32_t kTransmitBufferSpace = 0x00010108;
constexpr uint32_t kReceiveBufferSpace = 0x00010109;
constexpr uint32_t kTransmitBlockSize = 0x0001010A;
constexpr uint32_t kReceiveBlockSize = 0x0001010B;
constexpr uint32_t kVendorId = 0x0001010C;
constexpr uint32_t kVendorDescription = 0x0001010D;
constexpr uint32_t kPacketFilter = 0x0001010E;
constexpr uint32_t kLookahead = 0x0001010F;
constexpr uint32_t kDriverVersion = 0x00010110;
constexpr uint32_t kMaximumTotalSize = 0x00010111;
constexpr uint32_t kMacOptions = 0x00010113;
constexpr uint32_t kMediaConnectStatus = 0x00010114;
constexpr uint32_t kMaximumSendPackets = 0x00010115;
constexpr uint32_t kVendorDriverVersion = 0x00010116;
constexpr uint32_t kConfigParameter = 0x0001021B;
constexpr uint32_t kReceiveScaleCapabilities = 0x00010203;
constexpr uint32_t kReceiveScaleParameters = 0x00010204;
constexpr uint32_t kTransmitOk = 0x00020101;
constexpr uint32_t kReceiveOk = 0x00020102;
constexpr uint32_t kTransmitError = 0x00020103;
constexpr uint32_t kReceiveError = 0x00020104;
constexpr uint32_t kReceiveNoBuffer = 0x00020105;
constexpr uint32_t kFriendlyName = 0x00020216;
constexpr uint32_t kPermanentAddress = 0x01010101;
constexpr uint32_t kCurrentAddress = 0x01010102;
constexpr uint32_t kMulticastList = 0x01010103;
constexpr uint32_t kMaximumListSize = 0x01010104;
constexpr uint32_t kOffloadEncapsulation = 0x0101010A;
constexpr uint32_t kOffloadCurrentConfig = 0xFC01020B;
constexpr uint32_t kOffloadParameters = 0xFC01020C;
constexpr uint32_t kOffloadCapabilities = 0xFC01020D;
}  // namespace oid

// The value of kPacketFilter.
namespace packet_filter {
constexpr uint32_t kDirected = 1, kMulticast = 2, kAllMulticast = 4, kBroadcast = 8;
constexpr uint32_t kPromiscuous = 32;
}  // namespace packet_filter

struct ObjectHeader {
  uint8_t type;
  uint8_t revision;
  le16 size;
};
static_assert(WireStruct<ObjectHeader> && sizeof(ObjectHeader) == 4);

namespace object_type {
constexpr uint8_t kDefault = 0x80;
constexpr uint8_t kScaleCapabilities = 0x88;
constexpr uint8_t kScaleParameters = 0x89;
constexpr uint8_t kOffload = 0xA7;
}  // namespace object_type

struct Offload {  // kOffloadCapabilities and kOffloadCurrentConfig
  ObjectHeader header;
  struct {
    le32 ipv4_transmit_encapsulation, ipv4_transmit, ipv4_receive_encapsulation, ipv4_receive;
    le32 ipv6_transmit_encapsulation, ipv6_transmit, ipv6_receive_encapsulation, ipv6_receive;
  } checksum;
  std::array<le32, 4> large_send1;
  std::array<le32, 7> ipsec1;
  struct {
    le32 ipv4_encapsulation, ipv4_max_bytes, ipv4_min_segments;
    le32 ipv6_encapsulation, ipv6_max_bytes, ipv6_min_segments, ipv6_options;
  } large_send2;
  le32 flags;
  std::array<std::byte, 32> ipsec2;  // from NDIS 6.1 on
  uint8_t rsc_ipv4;                  // from NDIS 6.30 on
  uint8_t rsc_ipv6;
  std::array<std::byte, 2> padding;
  le32 encapsulated_flags;
  le32 encapsulated_max_header;
};
static_assert(WireStruct<Offload> && sizeof(Offload) == 156);
static_assert(offsetof(Offload, ipsec2) == 112 && offsetof(Offload, rsc_ipv4) == 144);
constexpr size_t kOffloadBytes60 = offsetof(Offload, ipsec2);
constexpr size_t kOffloadBytes61 = offsetof(Offload, rsc_ipv4);

constexpr uint32_t kEncapsulationEthernet = 2;
// Bits of the checksum masks; the transmit and receive ones and those of both IP versions agree.
namespace checksum_cap {
constexpr uint32_t kIpOptions = 1, kTcpOptions = 4, kTcp = 0x10, kUdp = 0x40, kIp = 0x100;
}
constexpr uint32_t kLargeSend6Extensions = 1, kLargeSend6TcpOptions = 4;

struct OffloadParameters {  // kOffloadParameters; older guests send a shorter one
  ObjectHeader header;
  uint8_t ipv4_checksum;
  uint8_t tcp_ipv4_checksum;
  uint8_t udp_ipv4_checksum;
  uint8_t tcp_ipv6_checksum;
  uint8_t udp_ipv6_checksum;
  uint8_t large_send1;
  uint8_t ipsec1;
  uint8_t large_send2_ipv4;
  uint8_t large_send2_ipv6;
  uint8_t connection_ipv4;
  uint8_t connection_ipv6;
  uint8_t padding;
  le32 flags;
  uint8_t ipsec2;
  uint8_t ipsec2_ipv4;
  uint8_t rsc_ipv4;
  uint8_t rsc_ipv6;
  uint8_t encapsulated_task;
  uint8_t encapsulation_types;
  std::array<std::byte, 2> padding2;
};
static_assert(WireStruct<OffloadParameters> && sizeof(OffloadParameters) == 28);
static_assert(offsetof(OffloadParameters, flags) == 16 &&
              offsetof(OffloadParameters, rsc_ipv4) == 22);
constexpr size_t kMinOffloadParameters = 15;  // up to and with connection_ipv6
namespace offload_choice {
constexpr uint8_t kNoChange = 0, kDisabled = 1, kEnabled = 2;  // of large send and RSC
}

struct ScaleCapabilities {
  ObjectHeader header;
  le32 flags;
  le32 interrupt_messages;
  le32 receive_queues;
  le16 table_entries;
};
static_assert(WireStruct<ScaleCapabilities> && sizeof(ScaleCapabilities) == 18);
constexpr uint32_t kScaleHashTcpIpv4 = 0x100, kScaleHashTcpIpv6 = 0x200;
constexpr uint32_t kHashFunctionToeplitz = 1;

struct ScaleParameters {
  ObjectHeader header;
  le16 flags;
  le16 base_cpu;
  le32 hash_info;
  le16 table_bytes;
  std::array<std::byte, 2> padding;
  le32 table_offset;  // from the start of this
  le16 key_bytes;
  std::array<std::byte, 2> padding2;
  le32 key_offset;
  le32 masks_offset;
  le32 mask_count;
  le32 mask_bytes;
};
static_assert(WireStruct<ScaleParameters> && sizeof(ScaleParameters) == 40);
static_assert(offsetof(ScaleParameters, table_offset) == 16 &&
              offsetof(ScaleParameters, key_offset) == 24);
constexpr uint16_t kScaleDisable = 0x10;
constexpr uint16_t kScaleTableUnchanged = 4, kScaleKeyUnchanged = 8;

struct ConfigParameter {  // the information of kConfigParameter
  le32 name_offset;
  le32 name_length;
  le32 type;
  le32 value_offset;
  le32 value_length;
};
static_assert(WireStruct<ConfigParameter> && sizeof(ConfigParameter) == 20);
constexpr uint32_t kConfigString = 2;

}  // namespace viridian::netvsp
