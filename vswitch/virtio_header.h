// The header before each frame on a TAP interface and on a packet socket: virtio 1.2, section
// 5.1.6, "struct virtio_net_hdr", without num_buffers. Little-endian, as this machine is.
#pragma once

#include "base/endian.h"

namespace viridian::vswitch {

struct VirtioHeader {
  uint8_t flags;
  uint8_t segment_type;
  le16 header_bytes;   // of a frame to be segmented: up to its payload
  le16 segment_bytes;  // of payload in each segment
  le16 checksum_start;
  le16 checksum_offset;  // from there
};
static_assert(WireStruct<VirtioHeader> && sizeof(VirtioHeader) == 10);

namespace virtio_flag {
constexpr uint8_t kNeedsChecksum = 1, kDataValid = 2;
}
namespace virtio_segment {
constexpr uint8_t kNone = 0, kTcpIpv4 = 1, kTcpIpv6 = 4, kEcn = 0x80;
}
// Of a network device, by their bits: virtio 1.2, section 5.1.3. UFO is of older versions.
namespace virtio_feature {
constexpr uint64_t kGuestChecksum = 1U << 1, kGuestTcpIpv4 = 1U << 7, kGuestTcpIpv6 = 1U << 8,
                   kGuestUfo = 1U << 10, kHostUfo = 1U << 14, kSeveralQueues = 1U << 22;
}

}  // namespace viridian::vswitch
