// The channel protocol's messages, which travel in SynIC messages of type 1.
//
// Facts: Linux include/linux/hyperv.h (enum vmbus_channel_message_type and its structures); the
// versions in which a message came from there and from drivers/hv. Reserved fields are written as
// zero and not read. message_rules.h says what each message needs to be accepted.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/endian.h"
#include "base/guid.h"

namespace viridian::vmbus {

// Where a guest posts its messages: the first before version 5.0, the second since.
constexpr uint32_t kMessageConnection = 1;
constexpr uint32_t kMessageConnection5 = 4;

// NTSTATUS values in answers; the guest only tells zero from the rest.
constexpr uint32_t kStatusSuccess = 0;
constexpr uint32_t kStatusUnsuccessful = 0xC000'0001;
constexpr uint32_t kStatusConnectionRefused = 0xC000'0236;

namespace offer_flags {
constexpr uint16_t kEnumerateDeviceInterface = 0x1;
constexpr uint16_t kNamedPipeMode = 0x10;
}  // namespace offer_flags

constexpr size_t kUserDefinedBytes = 120;

namespace message_type {
constexpr uint32_t kOfferChannel = 1;
constexpr uint32_t kRescindOffer = 2;
constexpr uint32_t kRequestOffers = 3;
constexpr uint32_t kAllOffersDelivered = 4;
constexpr uint32_t kOpenChannel = 5;
constexpr uint32_t kOpenResult = 6;
constexpr uint32_t kCloseChannel = 7;
constexpr uint32_t kGpadlHeader = 8;
constexpr uint32_t kGpadlBody = 9;
constexpr uint32_t kGpadlCreated = 10;
constexpr uint32_t kGpadlTeardown = 11;
constexpr uint32_t kGpadlTorndown = 12;
constexpr uint32_t kRelidReleased = 13;
constexpr uint32_t kInitiateContact = 14;
constexpr uint32_t kVersionResponse = 15;
constexpr uint32_t kUnload = 16;
constexpr uint32_t kUnloadResponse = 17;
constexpr uint32_t kTlConnectRequest = 21;
constexpr uint32_t kModifyChannel = 22;
constexpr uint32_t kTlConnectResult = 23;
constexpr uint32_t kModifyChannelResponse = 24;
}  // namespace message_type

// Alone it is REQUESTOFFERS, ALLOFFERS_DELIVERED, UNLOAD or UNLOAD_RESPONSE.
struct MessageHeader {
  le32 type;
  le32 reserved;
};
static_assert(WireStruct<MessageHeader> && sizeof(MessageHeader) == 8);

struct OfferChannel {
  MessageHeader header;
  Guid type;
  Guid instance;
  le64 reserved1;
  le64 reserved2;
  le16 flags;
  le16 mmio_megabytes;
  std::array<uint8_t, kUserDefinedBytes> user_defined;
  le16 sub_channel_index;
  le16 reserved3;
  le32 relid;
  uint8_t monitor_id;
  uint8_t monitor_allocated;  // bit 0
  le16 dedicated_interrupt;   // bit 0
  le32 connection_id;         // of the guest's HvSignalEvent
};
static_assert(WireStruct<OfferChannel> && sizeof(OfferChannel) == 196);
static_assert(offsetof(OfferChannel, user_defined) == 60 && offsetof(OfferChannel, relid) == 184);
static_assert(offsetof(OfferChannel, connection_id) == 192);

struct RelidMessage {  // RESCIND_CHANNELOFFER, CLOSECHANNEL, RELID_RELEASED
  MessageHeader header;
  le32 relid;
};
static_assert(WireStruct<RelidMessage> && sizeof(RelidMessage) == 12);

struct OpenChannel {
  MessageHeader header;
  le32 relid;
  le32 open_id;
  le32 ring_gpadl;
  le32 target_vp;
  le32 downstream_page_offset;  // of the host-to-guest ring within the GPADL
  std::array<uint8_t, kUserDefinedBytes> user_data;
};
static_assert(WireStruct<OpenChannel> && sizeof(OpenChannel) == 148);

struct OpenResult {
  MessageHeader header;
  le32 relid;
  le32 open_id;
  le32 status;
};
static_assert(WireStruct<OpenResult> && sizeof(OpenResult) == 20);

struct GpadlHeader {  // then `range_bytes` bytes of ranges, continued in bodies
  MessageHeader header;
  le32 relid;
  le32 handle;
  le16 range_bytes;
  le16 range_count;
};
static_assert(WireStruct<GpadlHeader> && sizeof(GpadlHeader) == 20);

struct GpadlBody {  // then page numbers
  MessageHeader header;
  le32 message_number;
  le32 handle;
};
static_assert(WireStruct<GpadlBody> && sizeof(GpadlBody) == 16);

struct GpadlCreated {
  MessageHeader header;
  le32 relid;
  le32 handle;
  le32 status;
};
static_assert(WireStruct<GpadlCreated> && sizeof(GpadlCreated) == 20);

struct GpadlTeardown {
  MessageHeader header;
  le32 relid;
  le32 handle;
};
static_assert(WireStruct<GpadlTeardown> && sizeof(GpadlTeardown) == 16);

struct GpadlTorndown {
  MessageHeader header;
  le32 handle;
};
static_assert(WireStruct<GpadlTorndown> && sizeof(GpadlTorndown) == 12);

struct InitiateContact {
  MessageHeader header;
  le32 version;
  le32 target_vp;
  le64 interrupt_page;  // since 5.0: its lowest byte is the SINT for messages
  le64 monitor_page1;
  le64 monitor_page2;
};
static_assert(WireStruct<InitiateContact> && sizeof(InitiateContact) == 40);

struct VersionResponse {
  MessageHeader header;
  uint8_t supported;
  uint8_t connection_state;
  le16 reserved;
  le32 message_connection;  // since 5.0
};
static_assert(WireStruct<VersionResponse> && sizeof(VersionResponse) == 16);

struct TlConnectRequest {
  MessageHeader header;
  Guid endpoint;
  Guid service;
};
static_assert(WireStruct<TlConnectRequest> && sizeof(TlConnectRequest) == 40);

struct TlConnectResult {
  MessageHeader header;
  Guid endpoint;
  Guid service;
  le32 status;
};
static_assert(WireStruct<TlConnectResult> && sizeof(TlConnectResult) == 44);

struct ModifyChannel {
  MessageHeader header;
  le32 relid;
  le32 target_vp;
};
static_assert(WireStruct<ModifyChannel> && sizeof(ModifyChannel) == 16);

struct ModifyChannelResponse {
  MessageHeader header;
  le32 relid;
  le32 status;
};
static_assert(WireStruct<ModifyChannelResponse> && sizeof(ModifyChannelResponse) == 16);

}  // namespace viridian::vmbus
