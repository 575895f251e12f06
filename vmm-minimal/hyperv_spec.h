// The hypervisor interface of Hyper-V as numbers: CPUID leaves and bits, synthetic MSRs, hypercall
// codes and statuses, and the SynIC's message slot. Hypervisor Top Level Functional Specification
// (TLFS) 6.0b: sections 2 (CPUID), 3 (hypercalls), 11 (SynIC), appendix F (MSRs).
// Left out: everything that this machine does not offer.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/endian.h"

namespace viridian::vmm::hv {

// CPUID leaves and the bits of 40000003h and 40000004h. TLFS 2.4.
constexpr uint32_t kCpuidBase = 0x40000000, kCpuidLast = 0x40000006;
constexpr uint32_t kCpuidInterface = 0x40000001, kCpuidVersion = 0x40000002;
constexpr uint32_t kCpuidFeatures = 0x40000003, kCpuidHints = 0x40000004;
constexpr uint32_t kCpuidLimits = 0x40000005;

constexpr uint32_t kTimeRefAvailable = 1u << 1, kSynicAvailable = 1u << 2;  // 40000003h EAX
constexpr uint32_t kSynTimersAvailable = 1u << 3, kApicAccessAvailable = 1u << 4;
constexpr uint32_t kHypercallAvailable = 1u << 5, kVpIndexAvailable = 1u << 6;
constexpr uint32_t kReferenceTscAvailable = 1u << 9, kFrequencyMsrAccess = 1u << 11;
constexpr uint32_t kTscInvariantAccess = 1u << 15;
constexpr uint32_t kPostMessages = 1u << 4, kSignalEvents = 1u << 5;       // 40000003h EBX
constexpr uint32_t kFrequencyMsrs = 1u << 8, kCrashMsrs = 1u << 10;        // 40000003h EDX
constexpr uint32_t kRelaxedTiming = 1u << 5, kDeprecateAutoEoi = 1u << 9;  // 40000004h EAX

// Synthetic MSRs. The range is what the MSR filter hands to user space.
constexpr uint32_t kMsrFirst = 0x40000000, kMsrCount = 0x200;
constexpr uint32_t kMsrGuestOsId = 0x40000000, kMsrHypercall = 0x40000001;
constexpr uint32_t kMsrVpIndex = 0x40000002;
constexpr uint32_t kMsrTimeRefCount = 0x40000020, kMsrReferenceTsc = 0x40000021;
constexpr uint32_t kMsrTscFrequency = 0x40000022, kMsrApicFrequency = 0x40000023;
constexpr uint32_t kMsrVpAssist = 0x40000073;
constexpr uint32_t kMsrScontrol = 0x40000080, kMsrSversion = 0x40000081;
constexpr uint32_t kMsrSiefp = 0x40000082, kMsrSimp = 0x40000083, kMsrEom = 0x40000084;
constexpr uint32_t kMsrSint0 = 0x40000090, kSintCount = 16;
constexpr uint32_t kMsrCrash0 = 0x40000100, kCrashParameters = 5, kMsrCrashControl = 0x40000105;
constexpr uint32_t kMsrTscInvariantControl = 0x40000118;

constexpr uint64_t kEnable = 1;  // bit 0 of HYPERCALL, SCONTROL, SIMP, SIEFP and their like
constexpr uint64_t kHypercallLocked = 2;
constexpr uint64_t kPageMask = ~uint64_t{0xFFF};
constexpr uint64_t kSintVector = 0xFF, kSintMasked = 1u << 16, kSintAutoEoi = 1u << 17;
constexpr uint64_t kSintPolling = 1u << 18;
constexpr uint8_t kFirstVector = 16;  // lower ones are the processor's own
constexpr uint64_t kCrashNotifyMessage = uint64_t{1} << 62, kCrashNotify = uint64_t{1} << 63;

// Hypercall input value (TLFS 3.7) and the calls and statuses used here (appendices A, B).
constexpr uint64_t kCallCode = 0xFFFF, kCallFast = 1u << 16;
constexpr uint16_t kCallPostMessage = 0x5C, kCallSignalEvent = 0x5D;
constexpr uint16_t kStatusSuccess = 0, kStatusInvalidCode = 2, kStatusInvalidInput = 3;
constexpr uint16_t kStatusInvalidAlignment = 4, kStatusInvalidParameter = 5;
constexpr uint16_t kStatusInvalidConnectionId = 18, kStatusInsufficientBuffers = 19;

// SynIC pages: 16 slots of 256 bytes each, one for each SINT. TLFS 11.8 to 11.10.
constexpr size_t kPageBytes = 4096, kSlotBytes = 256;
constexpr uint32_t kEventFlagsPerSint = 2048;
constexpr uint32_t kMessageNone = 0, kMessageChannel = 1;  // 1: VMBus, by convention
constexpr uint8_t kMessagePending = 1;
constexpr size_t kMessagePayloadBytes = 240;

struct Message {  // TLFS 11.8.2
  le32 type;
  uint8_t payload_size;
  uint8_t flags;
  le16 reserved;
  le64 origin;
  std::array<std::byte, kMessagePayloadBytes> payload;
};
static_assert(WireStruct<Message> && sizeof(Message) == kSlotBytes);
static_assert(offsetof(Message, flags) == 5 && offsetof(Message, payload) == 16);

struct PostMessageInput {  // TLFS 11.11.1, HvCallPostMessage
  le32 connection_id;
  le32 reserved;
  le32 message_type;
  le32 payload_size;
  std::array<std::byte, kMessagePayloadBytes> payload;
};
static_assert(WireStruct<PostMessageInput> && sizeof(PostMessageInput) == 256);

struct SignalEventInput {  // TLFS 11.11.2, HvCallSignalEvent
  le32 connection_id;
  le16 flag_number;
  le16 reserved;
};
static_assert(WireStruct<SignalEventInput> && sizeof(SignalEventInput) == 8);

struct ReferenceTscPage {  // TLFS 12.7.3: time = ((tsc * scale) >> 64) + offset, in 100 ns
  le32 sequence;           // 0: the page is not valid, read the MSR
  le32 reserved;
  le64 scale;
  le64 offset;
};
static_assert(WireStruct<ReferenceTscPage> && sizeof(ReferenceTscPage) == 24);

}  // namespace viridian::vmm::hv
