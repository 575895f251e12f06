// The command and status registers of the DECchip 21140A: "21140A Hardware Reference Manual",
// chapter 3. Sixteen longwords, eight bytes apart, in both BARs.
//
// `reset` is the value after a hardware reset; reserved bits read as they stand there. CSR1 and
// CSR2 take writes but keep nothing. CSR13 and CSR14 are the 21143's and do not exist here.
#pragma once

#include <array>
#include <cstdint>

#include "pci/register.h"

namespace viridian::tulip {

constexpr uint32_t kCsrBytes = 128;
constexpr unsigned kCsrCount = 16;
constexpr uint32_t csr_offset(unsigned number) { return 8 * number; }

// Causes of CSR5 and their enables in CSR7.
namespace cause {
constexpr uint32_t kTransmit = 1 << 0, kTransmitStopped = 1 << 1, kTransmitNoBuffer = 1 << 2;
constexpr uint32_t kTransmitJabber = 1 << 3, kTransmitUnderflow = 1 << 5;
constexpr uint32_t kReceive = 1 << 6, kReceiveNoBuffer = 1 << 7, kReceiveStopped = 1 << 8;
constexpr uint32_t kReceiveWatchdog = 1 << 9, kEarlyTransmit = 1 << 10, kTimer = 1 << 11;
constexpr uint32_t kFatalBusError = 1 << 13, kEarlyReceive = 1 << 14;
constexpr uint32_t kAbnormalSummary = 1 << 15, kNormalSummary = 1 << 16;
constexpr uint32_t kNormal = kTransmit | kTransmitNoBuffer | kReceive | kTimer | kEarlyReceive;
constexpr uint32_t kAbnormal = kTransmitStopped | kTransmitJabber | kTransmitUnderflow |
                               kReceiveNoBuffer | kReceiveStopped | kReceiveWatchdog |
                               kEarlyTransmit | kFatalBusError;
}  // namespace cause

namespace csr0 {
constexpr uint32_t kSoftwareReset = 1;
using SkipLength = pci::Field<6, 2>;  // longwords between two descriptors of a ring
using AutoPoll = pci::Field<19, 17>;
}  // namespace csr0

namespace csr5 {
using ReceiveState = pci::Field<19, 17>;
using TransmitState = pci::Field<22, 20>;
using ErrorBits = pci::Field<25, 23>;
constexpr uint32_t kMasterAbort = 1;  // of ErrorBits
}  // namespace csr5

// What the two processes are in, as CSR5 says it. The states between are too short to be seen.
enum class ReceiveState : uint8_t { kStopped = 0, kWaiting = 3, kSuspended = 4 };
enum class TransmitState : uint8_t { kStopped = 0, kRunning = 1, kSuspended = 6 };

namespace csr6 {
constexpr uint32_t kHashPerfect = 1 << 0, kStartReceive = 1 << 1, kHashOnly = 1 << 2;
constexpr uint32_t kPassBadFrames = 1 << 3, kInverse = 1 << 4, kPromiscuous = 1 << 6;
constexpr uint32_t kPassAllMulticast = 1 << 7, kFullDuplex = 1 << 9, kStartTransmit = 1 << 13;
constexpr uint32_t kPortSelect = 1 << 18, kTransmitThresholdMode = 1 << 22;
constexpr uint32_t kReceiveAll = 1 << 30;
using OperatingMode = pci::Field<11, 10>;  // not 0: loopback
}  // namespace csr6

namespace csr8 {
using Missed = pci::Field<15, 0>;
constexpr uint32_t kMissedOverflow = 1 << 16;
}  // namespace csr8

namespace csr9 {
constexpr uint32_t kSromSelect = 1 << 0, kSromClock = 1 << 1, kSromIn = 1 << 2, kSromOut = 1 << 3;
constexpr uint32_t kSerialRom = 1 << 11;
constexpr uint32_t kMdc = 1 << 16, kMdo = 1 << 17, kMiiRead = 1 << 18, kMdi = 1 << 19;
}  // namespace csr9

namespace csr11 {
using Count = pci::Field<15, 0>;
constexpr uint32_t kContinuous = 1 << 16;
}  // namespace csr11

namespace csr12 {
constexpr uint32_t kControl = 1 << 8;  // the byte written is the pins' directions
}

constexpr std::array<pci::RegisterSpec, kCsrCount> kCsrs = {{
    // offset, name, reset, writable, write one clears
    {csr_offset(0), "CSR0 bus mode", 0xFE000000, 0x01BEFFFE, 0},
    {csr_offset(1), "CSR1 transmit poll demand", 0xFFFFFFFF, 0, 0},
    {csr_offset(2), "CSR2 receive poll demand", 0xFFFFFFFF, 0, 0},
    {csr_offset(3), "CSR3 receive list", 0, 0xFFFFFFFC, 0},
    {csr_offset(4), "CSR4 transmit list", 0, 0xFFFFFFFC, 0},
    {csr_offset(5), "CSR5 status", 0xFC000000, 0, cause::kNormal | cause::kAbnormal},
    {csr_offset(6), "CSR6 operation mode", 0x32000040, 0xC1EEFEEA, 0},
    {csr_offset(7), "CSR7 interrupt enable", 0xFFFE0000, 0x0001EFEF, 0},
    {csr_offset(8), "CSR8 missed frames", 0xE0000000, 0, 0},
    {csr_offset(9), "CSR9 serial ROM and MII", 0xFFF483FF, 0x000778FF, 0},
    {csr_offset(10), "CSR10 boot ROM address", 0xFFFC0000, 0x0003FFFF, 0},
    {csr_offset(11), "CSR11 timer", 0xFFFE0000, 0x0001FFFF, 0},
    {csr_offset(12), "CSR12 general purpose port", 0xFFFFFEFF, 0x000000FF, 0},
    {csr_offset(13), "CSR13 reserved", 0xFFFFFFFF, 0, 0},
    {csr_offset(14), "CSR14 reserved", 0xFFFFFFFF, 0, 0},
    {csr_offset(15), "CSR15 watchdog", 0xFFFFFEC8, 0x00000037, 0},
}};

}  // namespace viridian::tulip
