// The blocks of a pcapng file (draft-ietf-opsawg-pcapng, sections 4.1 to 4.3). A block is its
// header, its body and its length once more; everything is little-endian and a multiple of four
// bytes.
#pragma once

#include "base/endian.h"

namespace viridian::vswitch {

struct PcapngBlock {
  le32 type;
  le32 block_bytes;
};
static_assert(WireStruct<PcapngBlock> && sizeof(PcapngBlock) == 8);

struct PcapngSection {
  le32 magic;
  le16 major;
  le16 minor;
  le32 section_bytes_low;  // all ones: not known
  le32 section_bytes_high;
};
static_assert(WireStruct<PcapngSection> && sizeof(PcapngSection) == 16);

struct PcapngInterface {
  le16 link_type;
  le16 reserved;
  le32 snap_bytes;  // 0: no limit
};
static_assert(WireStruct<PcapngInterface> && sizeof(PcapngInterface) == 8);

struct PcapngPacket {
  le32 interface;
  le32 time_high;  // in units that the interface names
  le32 time_low;
  le32 captured_bytes;
  le32 frame_bytes;
};
static_assert(WireStruct<PcapngPacket> && sizeof(PcapngPacket) == 20);

struct PcapngOption {
  le16 code;
  le16 value_bytes;
};
static_assert(WireStruct<PcapngOption> && sizeof(PcapngOption) == 4);

namespace pcapng {
constexpr uint32_t kSectionBlock = 0x0A0D0D0A, kInterfaceBlock = 1, kPacketBlock = 6;
constexpr uint32_t kByteOrderMagic = 0x1A2B3C4D;
constexpr uint16_t kEthernet = 1;
constexpr uint16_t kEndOfOptions = 0, kComment = 1;
constexpr uint16_t kUserApplication = 4;            // of a section
constexpr uint16_t kName = 2, kTimeResolution = 9;  // of an interface
constexpr uint16_t kFlags = 2, kDropCount = 4;      // of a packet
constexpr uint32_t kInbound = 1, kOutbound = 2;
}  // namespace pcapng

}  // namespace viridian::vswitch
