// SMBIOS 2.8 tables with the strings of a Hyper-V generation 1 machine: ata_piix leaves its disks
// to hv_storvsc when it finds them, and Windows activates by them. DMTF DSP0134 3.x.
#pragma once

#include <cstdint>
#include <vector>

#include "base/guest_memory.h"
#include "vmm-minimal/memory_map.h"

namespace viridian::vmm {

// Within F0000h-FFFFFh, on 16 bytes, where a kernel looks for the anchor.
constexpr Gpa kSmbiosBase{kSmbios};
constexpr uint32_t kSmbiosSpace = 0x1000;

struct SmbiosConfig {
  uint64_t memory_bytes = 0;
  uint32_t cpu_count = 1;
};

// The entry point, then the structures, as they stand at kSmbiosBase.
std::vector<std::byte> build_smbios_tables(const SmbiosConfig& config);
Result<void> write_smbios_tables(const GuestMemory& memory, const SmbiosConfig& config);

}  // namespace viridian::vmm
