// Where things are in the guest: physical addresses, ports and interrupt numbers, all in one place.
// A PC of the PIIX4 age: PIIX4 data sheet (ports), Linux x86 boot protocol (what boot wants free).
#pragma once

#include <cstdint>

namespace viridian::vmm {

// RAM is [0, min(size, kLowMemoryEnd)) and, if there is more, [kHighMemoryBase, ...).
constexpr uint64_t kLowMemoryEnd = 0xC000'0000;
constexpr uint64_t kHighMemoryBase = 0x1'0000'0000;

// The first MiB is RAM throughout; the e820 map keeps the guest out of 9FC00h-FFFFFh.
constexpr uint64_t kGdt = 0x500;
constexpr uint64_t kBootStack = 0x6FF0;
constexpr uint64_t kBootParams = 0x7000;
constexpr uint64_t kPageTables = 0x9000;  // PML4, PDPT and four PDs: 6 pages
constexpr uint64_t kCommandLine = 0x2'0000;
constexpr uint64_t kConventionalEnd = 0x9'FC00;
constexpr uint64_t kFirmwareTables = 0xE'0000;  // ACPI: RSDP and tables, up to kSmbios
constexpr uint64_t kSmbios = 0xF'0000;          // SMBIOS: entry point and table, up to 1 MiB
constexpr uint64_t kOneMiB = 0x10'0000;

// PCI memory BARs: from the end of low RAM to the I/O APIC.
constexpr uint64_t kPciWindowBase = kLowMemoryEnd, kPciWindowEnd = 0xFEC0'0000;
constexpr uint64_t kIoApicBase = 0xFEC0'0000, kLocalApicBase = 0xFEE0'0000;
constexpr uint64_t kKvmIdentityMap = 0xFFFB'C000, kKvmTss = 0xFFFB'D000;  // one and three pages

constexpr uint16_t kSerialPort = 0x3F8;
// The hypercall page's two ports (imm8 forms reach only these): reference, guest contract 2.7.
constexpr uint16_t kSignalPort = 0xE4;     // OUT of 4 bytes: HvSignalEvent; ioeventfds match on it
constexpr uint16_t kHypercallPort = 0xE8;  // IN of 4 bytes: every other hypercall

// Global system interrupts. The routing table sends GSI n to I/O APIC pin n and, below 16, to the
// PICs, but for the timer, as the MADT's interrupt source override says: ISA IRQ 0 is pin 2.
constexpr uint32_t kTimerGsi = 0, kTimerPin = 2;
constexpr uint32_t kSerialGsi = 4, kRtcGsi = 8, kSciGsi = 9;
constexpr uint32_t kIdePrimaryGsi = 14, kIdeSecondaryGsi = 15;
constexpr uint32_t kIoApicPins = 24;
constexpr uint32_t kFirstMsiGsi = 32;  // Vm::allocate_gsi() gives these
constexpr uint32_t kMaxMsiGsis = 32;   // one for each vCPU's SynIC, and room for PCI functions

constexpr unsigned kMaxVcpus = 4;

}  // namespace viridian::vmm
