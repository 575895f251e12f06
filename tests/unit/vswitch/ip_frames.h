// IP frames for tests, built byte by byte.
#pragma once

#include "tests/unit/vswitch/switch_fixture.h"

namespace viridian::vswitch {

using Bytes = std::vector<uint8_t>;

inline Bytes operator+(Bytes a, const Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}
inline Bytes be(uint16_t value) {
  return {static_cast<uint8_t>(value >> 8), static_cast<uint8_t>(value)};
}

inline Bytes udp(uint16_t source, uint16_t destination, const Bytes& payload = Bytes(16)) {
  return be(source) + be(destination) + be(static_cast<uint16_t>(8 + payload.size())) + be(0) +
         payload;
}

// From 10.0.0.1 to 10.0.0.2. `fragment`: flags and offset as they lie in the header.
inline Bytes ipv4(uint8_t protocol, const Bytes& payload, uint16_t fragment = 0) {
  return Bytes{0x45, 0} + be(static_cast<uint16_t>(20 + payload.size())) + be(1) + be(fragment) +
         Bytes{64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2} + payload;
}

// From fe80::1 to ff02::1.
inline Bytes ipv6(uint8_t next, const Bytes& payload) {
  Bytes source(16);
  Bytes destination(16);
  source[0] = 0xFE;
  source[1] = 0x80;
  destination[0] = 0xFF;
  destination[1] = 0x02;
  source[15] = destination[15] = 1;
  return Bytes{0x60, 0, 0, 0} + be(static_cast<uint16_t>(payload.size())) + Bytes{next, 255} +
         source + destination + payload;
}

inline Bytes extension(uint8_t next) { return {next, 0, 0, 0, 0, 0, 0, 0}; }
inline Bytes fragment6(uint8_t next, uint16_t offset_and_more) {
  return Bytes{next, 0} + be(offset_and_more) + Bytes{0, 0, 0, 7};
}

inline fakes::PlainFrame ip_frame(const Bytes& packet, const MacAddress& source = station(1)) {
  const uint16_t type = packet[0] >> 4 == 4 ? 0x0800 : 0x86DD;
  return fakes::ethernet(kBroadcast, source, type, packet);
}

}  // namespace viridian::vswitch
