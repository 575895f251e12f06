#include "vswitch/packet.h"

#include <algorithm>
#include <cstddef>

namespace viridian::vswitch {
namespace {

constexpr size_t kTypeAt = 12;    // in an Ethernet header
constexpr unsigned kMaxTags = 4;  // more than anybody stacks
constexpr unsigned kMaxExtensions = 8;
constexpr size_t kIpv4Bytes = 20;
constexpr size_t kIpv6Bytes = 40;

enum Protocol : uint8_t {
  kHopByHop = 0,
  kIcmp = 1,
  kTcp = 6,
  kUdp = 17,
  kRouting = 43,
  kFragment = 44,
  kAuthentication = 51,
  kIcmpv6 = 58,
  kDestinationOptions = 60,
  kSctp = 132,
  kMobility = 135,
  kHostIdentity = 139,
  kShim6 = 140,
};

uint16_t be16_at(std::span<const uint8_t> bytes, size_t at) noexcept {
  return static_cast<uint16_t>(bytes[at] << 8 | bytes[at + 1]);
}

Packet unclear(Packet packet) noexcept {
  packet.flags |= Packet::kUnclear;
  return packet;
}

// `bytes` begins with the transport header.
Packet with_transport(Packet packet, std::span<const uint8_t> bytes) noexcept {
  switch (packet.protocol) {
    case kTcp:
    case kSctp:
    case kUdp:
      // All of UDP's header, and as much of the others' as RFC 1858 asks for.
      if (bytes.size() < (packet.protocol == kUdp ? 8U : 12U)) return unclear(packet);
      packet.source_port = be16_at(bytes, 0);
      packet.destination_port = be16_at(bytes, 2);
      packet.flags |= Packet::kHasPorts;
      return packet;
    case kIcmp:
    case kIcmpv6:
      if (bytes.empty()) return unclear(packet);
      packet.icmp_type = bytes[0];
      return packet;
    default:
      return packet;
  }
}

Packet parse_ipv4(std::span<const uint8_t> bytes) noexcept {
  Packet packet;
  packet.family = 4;
  if (bytes.size() < kIpv4Bytes || bytes[0] >> 4 != 4) return unclear(packet);
  const size_t header = (bytes[0] & 0x0FU) * 4U;
  const size_t total = be16_at(bytes, 2);
  if (header < kIpv4Bytes || total < header || bytes.size() < header) return unclear(packet);
  packet.protocol = bytes[9];
  std::copy_n(bytes.begin() + 12, 4, packet.source.begin());
  std::copy_n(bytes.begin() + 16, 4, packet.destination.begin());
  if ((be16_at(bytes, 6) & 0x1FFF) != 0) {
    packet.flags |= Packet::kLaterFragment;
    return packet;
  }
  return with_transport(packet, bytes.subspan(header, std::min(total, bytes.size()) - header));
}

bool is_extension(uint8_t protocol) noexcept {
  switch (protocol) {
    case kHopByHop:
    case kRouting:
    case kFragment:
    case kAuthentication:
    case kDestinationOptions:
    case kMobility:
    case kHostIdentity:
    case kShim6:
      return true;
    default:
      return false;
  }
}

Packet parse_ipv6(std::span<const uint8_t> bytes) noexcept {
  Packet packet;
  packet.family = 6;
  if (bytes.size() < kIpv6Bytes || bytes[0] >> 4 != 6) return unclear(packet);
  std::copy_n(bytes.begin() + 8, 16, packet.source.begin());
  std::copy_n(bytes.begin() + 24, 16, packet.destination.begin());
  packet.protocol = bytes[6];
  const size_t payload = be16_at(bytes, 4);
  auto rest = bytes.subspan(kIpv6Bytes);
  if (payload != 0) rest = rest.first(std::min(payload, rest.size()));  // 0: a large send
  for (unsigned count = 0; is_extension(packet.protocol); ++count) {
    if (count == kMaxExtensions || rest.size() < 8) return unclear(packet);
    size_t length = (rest[1] + 1U) * 8U;
    if (packet.protocol == kAuthentication) length = (rest[1] + 2U) * 4U;
    if (packet.protocol == kFragment) {
      length = 8;
      if ((be16_at(rest, 2) & 0xFFF8) != 0) {
        packet.protocol = rest[0];
        packet.flags |= Packet::kLaterFragment;
        return packet;
      }
    }
    if (rest.size() < length) return unclear(packet);
    packet.protocol = rest[0];
    rest = rest.subspan(length);
  }
  return with_transport(packet, rest);
}

bool is_tag(uint16_t type) noexcept {
  return type == 0x8100 || type == 0x88A8 || type == 0x9100 || type == 0x9200;
}

}  // namespace

Packet parse_packet(std::span<const uint8_t> frame) noexcept {
  constexpr size_t kSnapBytes = 8;
  size_t at = kTypeAt;
  if (frame.size() < at + 2) return unclear({});
  uint16_t type = be16_at(frame, at);
  for (unsigned tags = 0; is_tag(type); ++tags) {
    at += 4;
    if (tags == kMaxTags || frame.size() < at + 2) return unclear({});
    type = be16_at(frame, at);
  }
  at += 2;
  if (type < 0x0600) {  // a length: LLC follows, and perhaps SNAP with a type
    const auto llc = frame.subspan(at);
    if (llc.size() < kSnapBytes || llc[0] != 0xAA || llc[1] != 0xAA || llc[2] != 3) return {};
    type = be16_at(llc, 6);
    at += kSnapBytes;
  }
  if (type == 0x0800) return parse_ipv4(frame.subspan(at));
  if (type == 0x86DD) return parse_ipv6(frame.subspan(at));
  return {};
}

bool is_from_dhcp_server(const Packet& packet) noexcept {
  if (packet.unclear()) return true;
  if (packet.protocol != kUdp || !packet.has_ports()) return false;
  // By either port: a server may send from any, and a client listens at its own.
  return packet.family == 4 ? packet.source_port == 67 || packet.destination_port == 68
                            : packet.source_port == 547 || packet.destination_port == 546;
}

bool is_from_router(const Packet& packet) noexcept {
  constexpr uint8_t kRedirect4 = 5;
  constexpr uint8_t kAdvertisement4 = 9;
  constexpr uint8_t kAdvertisement6 = 134;
  constexpr uint8_t kRedirect6 = 137;
  if (packet.unclear()) return true;
  if ((packet.flags & Packet::kLaterFragment) != 0) return false;
  if (packet.family == 4 && packet.protocol == kIcmp)
    return packet.icmp_type == kRedirect4 || packet.icmp_type == kAdvertisement4;
  if (packet.family == 6 && packet.protocol == kIcmpv6)
    return packet.icmp_type == kRedirect6 || packet.icmp_type == kAdvertisement6;
  return false;
}

}  // namespace viridian::vswitch
