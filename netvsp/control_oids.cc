// The OIDs: queries that Linux and Windows make, and what they set.
#include <algorithm>
#include <cstring>

#include "netvsp/control.h"

namespace viridian::netvsp {
namespace {

constexpr uint32_t kQueried[] = {oid::kSupportedList,
                                 oid::kHardwareStatus,
                                 oid::kMediaSupported,
                                 oid::kMediaInUse,
                                 oid::kMaximumFrameSize,
                                 oid::kLinkSpeed,
                                 oid::kTransmitBufferSpace,
                                 oid::kReceiveBufferSpace,
                                 oid::kTransmitBlockSize,
                                 oid::kReceiveBlockSize,
                                 oid::kVendorId,
                                 oid::kVendorDescription,
                                 oid::kPacketFilter,
                                 oid::kLookahead,
                                 oid::kDriverVersion,
                                 oid::kMaximumTotalSize,
                                 oid::kMacOptions,
                                 oid::kMediaConnectStatus,
                                 oid::kMaximumSendPackets,
                                 oid::kVendorDriverVersion,
                                 oid::kReceiveScaleCapabilities,
                                 oid::kTransmitOk,
                                 oid::kReceiveOk,
                                 oid::kTransmitError,
                                 oid::kReceiveError,
                                 oid::kReceiveNoBuffer,
                                 oid::kFriendlyName,
                                 oid::kPermanentAddress,
                                 oid::kCurrentAddress,
                                 oid::kMaximumListSize,
                                 oid::kOffloadCapabilities,
                                 oid::kOffloadCurrentConfig};

constexpr uint32_t kChecksumCaps =
    checksum_cap::kIpOptions | checksum_cap::kTcpOptions | checksum_cap::kTcp | checksum_cap::kUdp;
// Of IPv4 LSO: a packet's length field has 16 bits.
constexpr uint32_t kMaxLargeSendBytes = 62'000;
constexpr uint32_t kMulticastListSize = 32;
constexpr char kVendorText[] = "Viridian network adapter";

// "001122334455", as UTF-16, to an address.
bool parse_address(std::span<const std::byte> text, MacAddress& address) noexcept {
  if (text.size() != 4 * address.size()) return false;
  unsigned digits = 0;
  MacAddress parsed{};
  for (size_t i = 0; i < text.size(); i += 2) {
    const auto unit = *read_wire<le16>(text, i);
    const uint32_t c = unit | 0x20u;
    uint32_t digit = 0;
    if (unit >= '0' && unit <= '9') {
      digit = unit - uint32_t{'0'};
    } else if (unit < 0x80 && c >= 'a' && c <= 'f') {
      digit = c - uint32_t{'a'} + 10;
    } else {
      return false;
    }
    parsed[digits / 2] = static_cast<uint8_t>(parsed[digits / 2] * 16u + digit);
    ++digits;
  }
  if ((parsed[0] & 1) != 0 || parsed == MacAddress{}) return false;
  address = parsed;
  return true;
}

bool is_text(std::span<const std::byte> utf16, std::string_view ascii) noexcept {
  if (utf16.size() != 2 * ascii.size()) return false;
  for (size_t i = 0; i < ascii.size(); ++i) {
    if (read_wire<le16>(utf16, 2 * i)->get() != static_cast<uint8_t>(ascii[i])) return false;
  }
  return true;
}

std::optional<std::span<const std::byte>> part(std::span<const std::byte> bytes, uint32_t offset,
                                               uint32_t length) noexcept {
  if (offset > bytes.size() || length > bytes.size() - offset) return {};
  return bytes.subspan(offset, length);
}

}  // namespace

std::optional<size_t> Control::answer_query(uint32_t oid, std::span<const std::byte> info,
                                            std::span<std::byte> out) noexcept {
  const auto bytes = [&](const void* from, size_t length) {
    std::memcpy(out.data(), from, length);
    return length;
  };
  switch (oid) {
    case oid::kSupportedList:
      return answer_list(out);
    case oid::kVendorDescription:
      return bytes(kVendorText, sizeof(kVendorText));
    case oid::kFriendlyName:
      return answer_name(out);
    case oid::kPermanentAddress:
      return bytes(identity_.mac.data(), identity_.mac.size());
    case oid::kCurrentAddress:
      return bytes(mac_.data(), mac_.size());
    case oid::kOffloadCapabilities:
      return answer_offloads(info, out, false);
    case oid::kOffloadCurrentConfig:
      return answer_offloads(info, out, true);
    case oid::kReceiveScaleCapabilities: {
      ScaleCapabilities capabilities{};
      capabilities.header = {object_type::kScaleCapabilities, 2, sizeof(ScaleCapabilities)};
      capabilities.flags = kScaleHashTcpIpv4 | kScaleHashTcpIpv6 | kHashFunctionToeplitz;
      capabilities.interrupt_messages = 1;
      capabilities.receive_queues = identity_.max_channels;
      capabilities.table_entries = kHashTableEntries;
      return bytes(&capabilities, sizeof(capabilities));
    }
    default:
      break;
  }
  const auto word = answer_word(oid);
  if (!word) return {};
  write_wire(out, le32(*word));
  return sizeof(le32);
}

// The OIDs whose value is one number.
std::optional<uint32_t> Control::answer_word(uint32_t oid) const noexcept {
  const uint32_t frame_bytes = mtu_ + 14u;
  const auto low = [](uint64_t value) { return static_cast<uint32_t>(value); };
  switch (oid) {
    case oid::kHardwareStatus:  // ready
    case oid::kMediaSupported:
    case oid::kMediaInUse:  // 802.3
    case oid::kTransmitError:
    case oid::kReceiveError:
    case oid::kMacOptions:
      return 0;
    case oid::kMaximumFrameSize:
    case oid::kLookahead:
      return mtu_;
    case oid::kLinkSpeed:
      return low(std::min<uint64_t>(identity_.link_bits_per_second / 100, UINT32_MAX));
    case oid::kTransmitBufferSpace:
    case oid::kReceiveBufferSpace:
      return frame_bytes * kMaxFramesPerSend;
    case oid::kTransmitBlockSize:
    case oid::kReceiveBlockSize:
    case oid::kMaximumTotalSize:
      return frame_bytes;
    case oid::kVendorId:
      return 0xFFFFFF;
    case oid::kPacketFilter:
      return filter_;
    case oid::kDriverVersion:
    case oid::kVendorDriverVersion:
      return 0x0600;
    case oid::kMediaConnectStatus:
      return link_up_ ? 0 : 1;
    case oid::kMaximumSendPackets:
      return kMaxFramesPerSend;
    case oid::kTransmitOk:
      return low(statistics_.frames_sent.get());
    case oid::kReceiveOk:
      return low(statistics_.frames_received.get());
    case oid::kReceiveNoBuffer:
      return low(statistics_.no_section.get());
    case oid::kMaximumListSize:
      return kMulticastListSize;
    default:
      return {};
  }
}

size_t Control::answer_list(std::span<std::byte> out) const noexcept {
  size_t at = 0;
  for (const uint32_t one : kQueried) {
    write_wire(out, le32(one), at);
    at += sizeof(le32);
  }
  return at;
}

size_t Control::answer_name(std::span<std::byte> out) const noexcept {
  size_t at = 0;
  for (const char c : identity_.friendly_name) {
    if (!write_wire(out, le16(static_cast<uint8_t>(c)), at)) break;
    at += sizeof(le16);
  }
  return at;
}

// As long as the guest's own idea of the structure: it says which revision it knows.
size_t Control::answer_offloads(std::span<const std::byte> info, std::span<std::byte> out,
                                bool current) const noexcept {
  const auto asked = read_wire<ObjectHeader>(info);
  const uint8_t revision = asked ? std::clamp<uint8_t>(asked->revision, 1, 3) : 3;
  const size_t length =
      revision == 1 ? kOffloadBytes60 : (revision == 2 ? kOffloadBytes61 : sizeof(Offload));
  Offload offload{};
  offload.header = {object_type::kOffload, revision, static_cast<uint16_t>(length)};
  auto& checksum = offload.checksum;
  checksum.ipv4_transmit_encapsulation = kEncapsulationEthernet;
  checksum.ipv4_receive_encapsulation = kEncapsulationEthernet;
  checksum.ipv6_transmit_encapsulation = kEncapsulationEthernet;
  checksum.ipv6_receive_encapsulation = kEncapsulationEthernet;
  checksum.ipv4_transmit = kChecksumCaps | checksum_cap::kIp;
  checksum.ipv4_receive = kChecksumCaps | checksum_cap::kIp;
  checksum.ipv6_transmit = kChecksumCaps;
  checksum.ipv6_receive = kChecksumCaps;
  auto& large_send = offload.large_send2;
  large_send.ipv4_encapsulation = kEncapsulationEthernet;
  large_send.ipv4_max_bytes = kMaxLargeSendBytes;
  large_send.ipv4_min_segments = 2;
  large_send.ipv6_encapsulation = kEncapsulationEthernet;
  large_send.ipv6_max_bytes = kMaxLargeSendBytes;
  large_send.ipv6_min_segments = 2;
  large_send.ipv6_options = kLargeSend6Extensions | kLargeSend6TcpOptions;
  offload.rsc_ipv4 = current ? offloads_.rsc_ipv4 : rsc_allowed_;
  offload.rsc_ipv6 = current ? offloads_.rsc_ipv6 : rsc_allowed_;
  std::memcpy(out.data(), &offload, length);
  return length;
}

uint32_t Control::apply_set(uint32_t oid, std::span<const std::byte> info) noexcept {
  switch (oid) {
    case oid::kPacketFilter: {
      const auto filter = read_wire<le32>(info);
      if (!filter) return rndis_status::kInvalidLength;
      filter_ = *filter;
      return rndis_status::kSuccess;
    }
    case oid::kOffloadParameters:
      return set_offloads(info);
    case oid::kReceiveScaleParameters:
      return set_scaling(info);
    case oid::kConfigParameter:
      return set_config(info);
    case oid::kLookahead:
    case oid::kMulticastList:
    case oid::kOffloadEncapsulation:
      return rndis_status::kSuccess;  // accepts() gives all groups; nothing else depends on them
    default:
      return rndis_status::kNotSupported;
  }
}

uint32_t Control::set_offloads(std::span<const std::byte> info) noexcept {
  if (info.size() < kMinOffloadParameters) return rndis_status::kInvalidLength;
  OffloadParameters parameters{};
  std::memcpy(&parameters, info.data(), std::min(info.size(), sizeof(parameters)));
  const auto choose = [&](uint8_t choice, bool& setting) {
    if (choice == offload_choice::kDisabled) setting = false;
    if (choice == offload_choice::kEnabled) setting = rsc_allowed_;
  };
  choose(parameters.rsc_ipv4, offloads_.rsc_ipv4);
  choose(parameters.rsc_ipv6, offloads_.rsc_ipv6);
  return rndis_status::kSuccess;
}

uint32_t Control::set_scaling(std::span<const std::byte> info) noexcept {
  const auto parameters = read_wire<ScaleParameters>(info);
  if (!parameters) return rndis_status::kInvalidLength;
  Scaling scaling = scaling_;
  const uint16_t flags = parameters->flags;
  if ((flags & kScaleDisable) != 0) {
    scaling_.enabled = false;
    return rndis_status::kSuccess;
  }
  if ((flags & kScaleTableUnchanged) == 0) {
    const auto table = part(info, parameters->table_offset, parameters->table_bytes);
    const size_t entries = table ? table->size() / sizeof(le32) : 0;
    if (entries == 0 || entries > kHashTableEntries) return rndis_status::kInvalidData;
    for (size_t i = 0; i < kHashTableEntries; ++i) {
      const uint32_t channel = *read_wire<le32>(*table, i % entries * sizeof(le32));
      if (channel >= identity_.max_channels) return rndis_status::kInvalidData;
      scaling.table[i] = static_cast<uint16_t>(channel);
    }
  }
  if ((flags & kScaleKeyUnchanged) == 0) {
    const auto key = part(info, parameters->key_offset, parameters->key_bytes);
    if (!key || key->size() != kHashKeyBytes) return rndis_status::kInvalidData;
    std::memcpy(scaling.key.bytes.data(), key->data(), key->size());
  }
  scaling.enabled = true;
  scaling_ = scaling;
  return rndis_status::kSuccess;
}

// The one parameter that is known: "NetworkAddress", the guest's wish for another address.
uint32_t Control::set_config(std::span<const std::byte> info) noexcept {
  const auto parameter = read_wire<ConfigParameter>(info);
  if (!parameter) return rndis_status::kInvalidLength;
  const auto name = part(info, parameter->name_offset, parameter->name_length);
  const auto value = part(info, parameter->value_offset, parameter->value_length);
  if (!name || !value) return rndis_status::kInvalidData;
  if (parameter->type.get() != kConfigString || !is_text(*name, "NetworkAddress")) {
    return rndis_status::kSuccess;  // a setting of the driver's own
  }
  return parse_address(*value, mac_) ? rndis_status::kSuccess : rndis_status::kInvalidData;
}

}  // namespace viridian::netvsp
