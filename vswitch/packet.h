// What the headers of a frame say, as far as guards and access rules ask: the IP 5-tuple.
//
// Frames come from guests, so every step is checked against the bytes that are there. What cannot
// be told for sure (cut short, too many headers, a first fragment without its transport header) is
// `unclear`: who must not let something through drops those. IPv4: RFC 791; IPv6: RFC 8200, and RFC
// 7112 for first fragments; tags: IEEE 802.1Q; SNAP: RFC 1042. Pure functions, any thread.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <type_traits>

namespace viridian::vswitch {

struct Packet {
  std::array<uint8_t, 16> source{};  // IPv4: the first four bytes
  std::array<uint8_t, 16> destination{};
  uint16_t source_port = 0;       // of TCP, UDP and SCTP
  uint16_t destination_port = 0;  // likewise
  uint8_t family = 0;             // 4, 6, or 0: not IP
  uint8_t protocol = 0;
  uint8_t icmp_type = 0;
  uint8_t flags = 0;

  static constexpr uint8_t kUnclear = 1;
  static constexpr uint8_t kLaterFragment = 2;  // has no transport header: no ports, no ICMP type
  static constexpr uint8_t kHasPorts = 4;

  bool unclear() const noexcept { return (flags & kUnclear) != 0; }
  bool has_ports() const noexcept { return (flags & kHasPorts) != 0; }
  bool operator==(const Packet&) const = default;
};
static_assert(sizeof(Packet) == 40 && std::has_unique_object_representations_v<Packet>);

// `frame` begins with the Ethernet header; it may be the start of a longer frame.
Packet parse_packet(std::span<const uint8_t> frame) noexcept;

// A DHCP server's message, IPv4 (RFC 2131) or IPv6 (RFC 8415), or something that could be one.
bool is_from_dhcp_server(const Packet& packet) noexcept;

// An ICMP router advertisement or redirect, IPv4 (RFC 1256, 792) or IPv6 (RFC 4861), or something
// that could be one.
bool is_from_router(const Packet& packet) noexcept;

}  // namespace viridian::vswitch
