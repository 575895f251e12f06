// Receive and transmit descriptors: "21140A Hardware Reference Manual", sections 4.2.1 and 4.2.2.
// Four longwords; the chip owns one while bit 31 of the first is set, and clears that last.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/endian.h"
#include "pci/register.h"

namespace viridian::tulip {

struct Descriptor {
  le32 status;   // RDES0, TDES0
  le32 control;  // RDES1, TDES1
  le32 buffer1;
  le32 buffer2;  // or the next descriptor's address, if chained
};
static_assert(WireStruct<Descriptor> && sizeof(Descriptor) == 16);
static_assert(offsetof(Descriptor, buffer2) == 12);

constexpr uint32_t kOwn = 1u << 31;

// In the control longword of both kinds.
using BufferSize1 = pci::Field<10, 0>;
using BufferSize2 = pci::Field<21, 11>;
constexpr uint32_t kChained = 1 << 24, kEndOfRing = 1 << 25;

namespace rdes0 {
using FrameLength = pci::Field<29, 16>;  // with FCS
constexpr uint32_t kFrameType = 1 << 5, kTooLong = 1 << 7, kLast = 1 << 8, kFirst = 1 << 9;
constexpr uint32_t kMulticast = 1 << 10, kDescriptorError = 1 << 14, kErrorSummary = 1 << 15;
constexpr uint32_t kFilteringFail = 1 << 30;
}  // namespace rdes0

namespace tdes0 {
constexpr uint32_t kJabberTimeout = 1 << 14, kErrorSummary = 1 << 15;
constexpr uint32_t kSetupDone = 0x7FFFFFFF;  // what the chip writes after a setup frame
}  // namespace tdes0

namespace tdes1 {
constexpr uint32_t kFilterType0 = 1 << 22, kNoPadding = 1 << 23, kNoCrc = 1 << 26;
constexpr uint32_t kSetup = 1 << 27, kFilterType1 = 1 << 28, kFirst = 1 << 29, kLast = 1 << 30;
constexpr uint32_t kInterrupt = 1u << 31;
}  // namespace tdes1

// A setup frame (section 4.2.3): 48 longwords of which the low halves count. Sixteen addresses of
// three, or the hash table in the first 32 and one address in 39 to 41.
struct SetupFrame {
  le32 words[48];
};
static_assert(WireStruct<SetupFrame> && sizeof(SetupFrame) == 192);
constexpr unsigned kSetupAddresses = 16, kSetupHashWords = 32, kSetupHashAddress = 39;

}  // namespace viridian::tulip
