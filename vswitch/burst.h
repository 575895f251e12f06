// What a switch knows of the frames that it moves just now. The worker's own.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "vswitch/frame.h"
#include "vswitch/mac_table.h"

namespace viridian::vswitch {

struct Burst {  // of one port: what was judged about its frames
  std::array<rte_mbuf*, kBurst> frames;
  std::array<uint64_t, kBurst> sources;       // keys of the address table
  std::array<uint64_t, kBurst> destinations;  // likewise
  std::array<uint64_t, kBurst> source_hashes;
  std::array<uint64_t, kBurst> destination_hashes;
  std::array<MacEntry*, kBurst> entries;  // of sources, then of destinations; null: unknown
};

// A frame as far as the rules of a port ask, in the switch or in an explanation.
struct FrameView {
  std::span<const uint8_t> headers;  // from the Ethernet header on, without the tag
  uint32_t frame_bytes;
  uint32_t packet_bytes;  // on a wire, for the MTU
  uint64_t source;
  uint16_t tag_vlan;  // 0: none
};

// Who gets one frame: so many of the switch's list of receivers.
struct Receivers {
  uint16_t count = 0;
  uint16_t refused = 0;
  bool mirrored = false;
};

}  // namespace viridian::vswitch
