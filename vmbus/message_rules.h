// What the server asks of each channel message before it looks inside: one table, indexed by the
// message's type, from which parsing, version gating and names come.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "vmbus/protocol.h"
#include "vmbus/version.h"

namespace viridian::vmbus {

struct MessageRule {
  std::string_view name;  // empty: this server does not know the type
  bool from_guest;
  uint32_t min_version;  // 0: also without a connection
  size_t min_bytes;
};

// Indexed by the message's type.
constexpr std::array<MessageRule, 25> kMessages = {{
    {},
    {"OFFERCHANNEL", false, kVersion2_4, sizeof(OfferChannel)},
    {"RESCIND_CHANNELOFFER", false, kVersion2_4, sizeof(RelidMessage)},
    {"REQUESTOFFERS", true, kVersion2_4, sizeof(MessageHeader)},
    {"ALLOFFERS_DELIVERED", false, kVersion2_4, sizeof(MessageHeader)},
    {"OPENCHANNEL", true, kVersion2_4, sizeof(OpenChannel)},
    {"OPENCHANNEL_RESULT", false, kVersion2_4, sizeof(OpenResult)},
    {"CLOSECHANNEL", true, kVersion2_4, sizeof(RelidMessage)},
    {"GPADL_HEADER", true, kVersion2_4, sizeof(GpadlHeader)},
    {"GPADL_BODY", true, kVersion2_4, sizeof(GpadlBody)},
    {"GPADL_CREATED", false, kVersion2_4, sizeof(GpadlCreated)},
    {"GPADL_TEARDOWN", true, kVersion2_4, sizeof(GpadlTeardown)},
    {"GPADL_TORNDOWN", false, kVersion2_4, sizeof(GpadlTorndown)},
    {"RELID_RELEASED", true, kVersion2_4, sizeof(RelidMessage)},
    {"INITIATE_CONTACT", true, 0, sizeof(InitiateContact)},
    {"VERSION_RESPONSE", false, 0, sizeof(VersionResponse)},
    {"UNLOAD", true, 0, sizeof(MessageHeader)},
    {"UNLOAD_RESPONSE", false, 0, sizeof(MessageHeader)},
    {},
    {},
    {},
    {"TL_CONNECT_REQUEST", true, kVersion4_0, sizeof(TlConnectRequest)},
    {"MODIFYCHANNEL", true, kVersion4_1, sizeof(ModifyChannel)},
    {"TL_CONNECT_RESULT", false, kVersion4_0, sizeof(TlConnectResult)},
    {"MODIFYCHANNEL_RESPONSE", false, kVersion5_3, sizeof(ModifyChannelResponse)},
}};

// Null for a type that is not the guest's to send.
constexpr const MessageRule* guest_message_rule(uint32_t type) {
  if (type >= kMessages.size() || !kMessages[type].from_guest) return nullptr;
  return &kMessages[type];
}

}  // namespace viridian::vmbus
