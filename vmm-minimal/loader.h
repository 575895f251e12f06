// Puts a guest into memory and says how its first processor starts: a Linux kernel by the boot
// protocol's 64-bit entry, or a flat payload of a few instructions for tests.
// Called once, before the vCPUs run.
#pragma once

#include <linux/kvm.h>

#include <cstdint>
#include <string>

#include "base/guest_memory.h"
#include "base/result.h"

namespace viridian::vmm {

struct LinuxBoot {
  std::string kernel_path;
  std::string initrd_path;  // empty: none
  std::string command_line;
  uint64_t acpi_rsdp = 0;  // its guest physical address; 0: let the kernel search
};

enum class CpuMode : uint8_t {
  kReal,  // 16-bit, CS:IP = 0:kPayloadReal
  kLong,  // 64-bit, ring 0, paging on with the first 4 GiB mapped to themselves
};

struct EntryPoint {
  CpuMode mode;
  uint64_t rip;
  uint64_t rsi = 0;  // 64-bit Linux: boot_params
};

// Where a payload's first byte is and its execution starts.
constexpr uint64_t kPayloadReal = 0x7C00, kPayloadLong = 0x10'0000;

// Errors name the file and the field.
Result<EntryPoint> load_linux(const GuestMemory& memory, const LinuxBoot& boot);
Result<EntryPoint> load_payload(const GuestMemory& memory, const std::string& path, CpuMode mode);

// The registers for `entry`; for kLong also writes GDT and page tables to guest memory.
// `sregs` comes from the vCPU and keeps what is not set here.
kvm_regs prepare_cpu(const GuestMemory& memory, const EntryPoint& entry, kvm_sregs& sregs);

}  // namespace viridian::vmm
