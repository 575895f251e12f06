// The ACPI tables of the machine: RSDP, XSDT, FADT, FACS, MADT and the DSDT that iasl makes of
// dsdt.asl. ACPI 6.4, chapter 5. Called once, before the guest starts, and again by a reset (the
// guest may have written over them).
#pragma once

#include <cstdint>
#include <vector>

#include "base/guest_memory.h"
#include "vmm-minimal/memory_map.h"

namespace viridian::vmm {

// The tables lie here, RSDP first: within E0000h-FFFFFh, where a kernel looks for them by itself.
// The memory map that the guest gets must not call this range free memory.
constexpr Gpa kAcpiBase{kFirmwareTables};
constexpr uint32_t kAcpiSpace = kSmbios - kFirmwareTables;

// All tables as they stand at kAcpiBase; `cpu_count` local APICs with ids from 0.
std::vector<std::byte> build_acpi_tables(uint32_t cpu_count);

// Puts them there. The RSDP's address (for boot_params.acpi_rsdp_addr) is kAcpiBase.
Result<void> write_acpi_tables(const GuestMemory& memory, uint32_t cpu_count);

}  // namespace viridian::vmm
