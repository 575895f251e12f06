// What INQUIRY returns: the standard data (SPC-4 6.6.2) and the vital product data pages that a
// disk has (SPC-4 7.8, SBC-3 6.6). Reserved fields are written as zeroes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/endian.h"

namespace viridian::storvsp {

constexpr uint8_t kTypeDisk = 0x00;  // SPC-4 table 139, qualifier 0: connected
constexpr uint8_t kTypeCdRom = 0x05;
constexpr uint8_t kTypeAbsent = 0x7f;  // qualifier 3, type 1Fh: no logical unit can be here

struct InquiryData {
  uint8_t type, removable, version, format, additional_length;
  uint8_t flags5, flags6, flags7;
  std::array<char, 8> vendor;
  std::array<char, 16> product;
  std::array<char, 4> revision;
};
static_assert(WireStruct<InquiryData> && sizeof(InquiryData) == 36);
static_assert(offsetof(InquiryData, vendor) == 8 && offsetof(InquiryData, revision) == 32);
constexpr uint8_t kInquiryRemovable = 0x80;
constexpr uint8_t kInquiryVersionSpc4 = 0x06;
constexpr uint8_t kInquiryFormat = 0x12;        // HISUP, response data format 2
constexpr uint8_t kInquiryCommandQueue = 0x02;  // CMDQUE in byte 7

namespace vpd {
constexpr uint8_t kSupportedPages = 0x00;
constexpr uint8_t kSerialNumber = 0x80;
constexpr uint8_t kIdentification = 0x83;
constexpr uint8_t kBlockLimits = 0xb0;
constexpr uint8_t kBlockCharacteristics = 0xb1;
constexpr uint8_t kProvisioning = 0xb2;
}  // namespace vpd

struct VpdHeader {
  uint8_t type, page;
  be16 length;  // of what follows
};
static_assert(WireStruct<VpdHeader> && sizeof(VpdHeader) == 4);

struct DesignatorHeader {  // SPC-4 7.8.6.1
  uint8_t code_set, designator_type, reserved, length;
};
static_assert(WireStruct<DesignatorHeader> && sizeof(DesignatorHeader) == 4);
constexpr uint8_t kCodeSetBinary = 0x01;
constexpr uint8_t kCodeSetAscii = 0x02;
constexpr uint8_t kDesignatorT10Vendor = 0x01;
constexpr uint8_t kDesignatorNaa = 0x03;

struct BlockLimits {  // SBC-3 6.6.4, behind its VpdHeader
  uint8_t write_same_nonzero, max_compare_and_write;
  be16 optimal_granularity;
  be32 max_transfer, optimal_transfer, max_prefetch;
  be32 max_unmap_count, max_unmap_descriptors, unmap_granularity, unmap_alignment;
  be64 max_write_same;
  std::array<uint8_t, 20> reserved;
};
static_assert(WireStruct<BlockLimits> && sizeof(BlockLimits) == 60);
static_assert(offsetof(BlockLimits, max_unmap_count) == 16);
static_assert(offsetof(BlockLimits, max_write_same) == 32);
constexpr uint32_t kUnmapAlignmentValid = 0x80000000;

struct BlockCharacteristics {  // SBC-3 6.6.3
  be16 rotation_rate;
  std::array<uint8_t, 58> reserved;
};
static_assert(WireStruct<BlockCharacteristics> && sizeof(BlockCharacteristics) == 60);
constexpr uint16_t kNonRotating = 1;

struct Provisioning {  // SBC-3 6.6.5
  uint8_t threshold_exponent, flags, type, reserved;
};
static_assert(WireStruct<Provisioning> && sizeof(Provisioning) == 4);
constexpr uint8_t kProvisioningUnmap = 0x80;        // LBPU
constexpr uint8_t kProvisioningWriteSame16 = 0x40;  // LBPWS
constexpr uint8_t kProvisioningWriteSame10 = 0x20;  // LBPWS10
constexpr uint8_t kProvisioningThin = 0x02;

}  // namespace viridian::storvsp
