// TCP frames for tests, and what their checksums must be.
#pragma once

#include "tests/unit/vswitch/ip_frames.h"

namespace viridian::vswitch {

inline uint16_t word(const Bytes& bytes, size_t at) {
  return static_cast<uint16_t>(bytes.at(at) << 8 | bytes.at(at + 1));
}

// The one's complement sum of RFC 1071, to be 0xFFFF over anything with a right checksum.
inline uint16_t sum_of(const Bytes& bytes) {
  uint32_t sum = 0;
  for (size_t i = 0; i < bytes.size(); i += 2)
    sum += static_cast<uint32_t>(bytes[i] << 8) + (i + 1 < bytes.size() ? bytes[i + 1] : 0U);
  while (sum > 0xFFFF)
    sum = (sum & 0xFFFF) + (sum >> 16);
  return static_cast<uint16_t>(sum);
}

inline Bytes part(const Bytes& bytes, size_t at, size_t length) {
  const auto from = bytes.begin() + static_cast<ptrdiff_t>(at);
  return Bytes(from, from + static_cast<ptrdiff_t>(length));
}

// The sum over pseudo header and transport of a frame with 20 or 40 bytes of IP header.
inline uint16_t transport_sum(const Bytes& frame) {
  if (word(frame, 12) == 0x0800) {
    const auto length = static_cast<uint16_t>(word(frame, 16) - 20);
    return sum_of(part(frame, 26, 8) + Bytes{0, frame[23]} + be(length) + part(frame, 34, length));
  }
  const uint16_t length = word(frame, 18);
  return sum_of(part(frame, 22, 32) + be(length) + Bytes{0, frame[20]} + part(frame, 54, length));
}

inline Bytes tcp(const Bytes& payload, uint8_t flags) {
  return be(1000) + be(2000) + Bytes{0, 0, 1, 0, 0, 0, 0, 0, 0x50, flags} + be(512) +
         Bytes{0, 0, 0, 0} + payload;
}

// A frame of TCP with `payload` bytes that is to be cut into segments of `segment_bytes`.
inline fakes::PlainFrame large_tcp(bool v6, size_t payload, uint16_t segment_bytes, uint8_t flags) {
  Bytes data(payload);
  for (size_t i = 0; i < payload; ++i)
    data[i] = static_cast<uint8_t>(i * 7 + i / 256);
  fakes::PlainFrame frame = ip_frame(v6 ? ipv6(6, tcp(data, flags)) : ipv4(6, tcp(data, flags)));
  frame.bytes.resize(14 + (v6 ? 40 : 20) + 20 + payload);
  // As NDIS leaves them: without length and checksum.
  frame.bytes[v6 ? 18 : 16] = frame.bytes[v6 ? 19 : 17] = 0;
  frame.flags = kFrameSegment | kFrameTcp | (v6 ? kFrameIpv6 : kFrameIpv4 | kFrameIpChecksum);
  frame.l2_bytes = 14;
  frame.l3_bytes = v6 ? 40 : 20;
  frame.l4_bytes = 20;
  frame.segment_bytes = segment_bytes;
  return frame;
}

}  // namespace viridian::vswitch
