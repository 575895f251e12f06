// What NetVSP and its guest say to each other outside RNDIS: the messages of the network
// virtualization protocol, versions 1 to 6.1, as Linux's drivers/net/hyperv/hyperv_net.h has them.
// All fields are little-endian.
//
// Each message is a VMBus packet of 40 bytes, unused bytes zero. The guest's may ask for a
// completion, which then carries the answer. Host to guest, RNDIS messages lie in sections of the
// receive buffer and travel as transfer pages.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/endian.h"
#include "base/guid.h"

namespace viridian::netvsp {

constexpr Guid kNetworkDeviceType = "f8615163-df3e-46c5-913f-f2d2f965ed0e"_guid;

constexpr uint32_t kVersion1 = 2;
constexpr uint32_t kVersion2 = 0x30002;
constexpr uint32_t kVersion4 = 0x40000;
constexpr uint32_t kVersion5 = 0x50000;
constexpr uint32_t kVersion6 = 0x60000;
constexpr uint32_t kVersion61 = 0x60001;

namespace message_type {
constexpr uint32_t kInit = 1;
constexpr uint32_t kInitComplete = 2;
constexpr uint32_t kSendNdisVersion = 100;
constexpr uint32_t kSendReceiveBuffer = 101;
constexpr uint32_t kSendReceiveBufferComplete = 102;
constexpr uint32_t kRevokeReceiveBuffer = 103;
constexpr uint32_t kSendSendBuffer = 104;
constexpr uint32_t kSendSendBufferComplete = 105;
constexpr uint32_t kRevokeSendBuffer = 106;
constexpr uint32_t kSendRndisPacket = 107;
constexpr uint32_t kSendRndisPacketComplete = 108;
constexpr uint32_t kSendNdisConfig = 125;
constexpr uint32_t kSwitchDataPath = 129;
constexpr uint32_t kSubChannel = 133;
constexpr uint32_t kSendIndirectionTable = 134;
}  // namespace message_type

namespace status {
constexpr uint32_t kSuccess = 1;
constexpr uint32_t kFailure = 2;
constexpr uint32_t kInvalidRndisPacket = 5;
constexpr uint32_t kProtocolUnsupported = 7;
}  // namespace status

constexpr size_t kMessageBytes = 40;

struct Message {
  le32 type;
  std::array<std::byte, kMessageBytes - 4> body;
};
static_assert(WireStruct<Message> && sizeof(Message) == kMessageBytes);

struct Init {
  le32 min_version;
  le32 max_version;
};
static_assert(WireStruct<Init> && sizeof(Init) == 8);

struct InitComplete {
  le32 version;
  le32 max_mdl_chain_length;
  le32 status;
};
static_assert(WireStruct<InitComplete> && sizeof(InitComplete) == 12);

struct NdisConfig {
  le32 mtu;  // with the Ethernet header
  le32 reserved;
  le64 capabilities;
};
static_assert(WireStruct<NdisConfig> && sizeof(NdisConfig) == 16);
constexpr uint64_t kCapabilityRsc = 1 << 7;

struct SendBuffer {  // SEND_RECV_BUF and SEND_SEND_BUF
  le32 gpadl;
  le16 id;
};
static_assert(WireStruct<SendBuffer> && sizeof(SendBuffer) == 6);

// With one section descriptor: the whole buffer is cut into pieces of one size.
struct ReceiveBufferComplete {
  le32 status;
  le32 section_count;
  le32 offset;
  le32 piece_bytes;
  le32 piece_count;
  le32 end_offset;
};
static_assert(WireStruct<ReceiveBufferComplete> && sizeof(ReceiveBufferComplete) == 24);

struct SendBufferComplete {
  le32 status;
  le32 section_bytes;
};
static_assert(WireStruct<SendBufferComplete> && sizeof(SendBufferComplete) == 8);

struct RndisPacketMessage {
  le32 channel_type;
  le32 section_index;
  le32 section_bytes;  // of it are used
};
static_assert(WireStruct<RndisPacketMessage> && sizeof(RndisPacketMessage) == 12);
constexpr uint32_t kChannelData = 0;
constexpr uint32_t kChannelControl = 1;
constexpr uint32_t kNoSection = 0xFFFFFFFF;

struct SubChannelRequest {
  le32 operation;
  le32 count;
};
static_assert(WireStruct<SubChannelRequest> && sizeof(SubChannelRequest) == 8);
constexpr uint32_t kAllocateSubChannels = 1;

struct SubChannelComplete {
  le32 status;
  le32 count;
};
static_assert(WireStruct<SubChannelComplete> && sizeof(SubChannelComplete) == 8);

// A message with `body` in front and zeroes behind it.
template <WireStruct Body>
Message make_message(uint32_t type, const Body& body) {
  Message message{};
  message.type = type;
  write_wire(std::span<std::byte>(message.body), body);
  return message;
}

template <WireStruct Body>
Body body_of(const Message& message) {
  static_assert(sizeof(Body) <= sizeof(message.body));
  return *read_wire<Body>(std::span<const std::byte>(message.body));
}

}  // namespace viridian::netvsp
