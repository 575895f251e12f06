#include "vmm-minimal/hyperv_cpuid.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <string_view>

#include "vmm-minimal/hyperv_spec.h"

namespace viridian::vmm {
namespace {

constexpr uint32_t kHypervisorPresent = 1u << 31;  // leaf 1, ECX
constexpr uint32_t kLastHypervisorLeaf = 0x4FFFFFFF;
constexpr uint32_t kPowerLeaf = 0x80000007, kInvariantTsc = 1 << 8;  // EDX
constexpr const char* kClockPath =
    "/sys/devices/system/clocksource/clocksource0/current_clocksource";
// Windows Server 2022's hypervisor. Linux prints it; nothing is read out of it.
constexpr uint32_t kBuild = 20348, kVersion = 10u << 16 | 0;

uint32_t word(std::string_view text) {
  uint32_t value = 0;
  std::memcpy(&value, text.data(), sizeof(value));
  return value;
}

kvm_cpuid_entry2 leaf(uint32_t function, uint32_t eax, uint32_t ebx = 0, uint32_t ecx = 0,
                      uint32_t edx = 0) {
  kvm_cpuid_entry2 entry{};
  entry.function = function;
  entry.eax = eax;
  entry.ebx = ebx;
  entry.ecx = ecx;
  entry.edx = edx;
  return entry;
}

// Not offered: synthetic timers and the APIC MSRs (the in-kernel APIC and TSC deadline do better),
// RESET, statistics, idle, re-enlightenment.
uint32_t privileges(const HypervFeatures& features) {
  uint32_t bits = hv::kSynicAvailable | hv::kHypercallAvailable | hv::kVpIndexAvailable |
                  hv::kFrequencyMsrAccess;
  if (features.invariant_tsc) bits |= hv::kTscInvariantAccess;
  if (features.reference_tsc) bits |= hv::kTimeRefAvailable | hv::kReferenceTscAvailable;
  return bits;
}

}  // namespace

HypervFeatures hyperv_features(std::span<const kvm_cpuid_entry2> supported, uint32_t cpu_count,
                               std::string_view clock) {
  HypervFeatures features{.cpu_count = cpu_count};
  for (const kvm_cpuid_entry2& entry : supported) {
    if (entry.function == kPowerLeaf) features.invariant_tsc = (entry.edx & kInvariantTsc) != 0;
  }
  features.reference_tsc = !features.invariant_tsc && clock == "tsc";
  return features;
}

std::string host_clock() {
  std::string name;
  std::ifstream(kClockPath) >> name;
  return name;
}

void apply_hyperv_cpuid(std::vector<kvm_cpuid_entry2>& cpuid, const HypervFeatures& features) {
  std::erase_if(cpuid, [](const kvm_cpuid_entry2& entry) {
    return entry.function >= hv::kCpuidBase && entry.function <= kLastHypervisorLeaf;
  });
  for (kvm_cpuid_entry2& entry : cpuid) {
    if (entry.function == 1) entry.ecx |= kHypervisorPresent;
  }

  cpuid.push_back(leaf(hv::kCpuidBase, hv::kCpuidLast, word("Micr"), word("osof"), word("t Hv")));
  cpuid.push_back(leaf(hv::kCpuidInterface, word("Hv#1")));
  cpuid.push_back(leaf(hv::kCpuidVersion, kBuild, kVersion));
  // EBX: no ACCESS_PARTITION_ID (Linux stops on a failing call) and no CPU_MANAGEMENT (Linux would
  // take itself for the root partition).
  cpuid.push_back(leaf(hv::kCpuidFeatures, privileges(features),
                       hv::kPostMessages | hv::kSignalEvents, 0,
                       hv::kFrequencyMsrs | hv::kCrashMsrs));
  // EAX: no TLB flush and no IPI by hypercall. EBX: never report a long spin.
  cpuid.push_back(leaf(hv::kCpuidHints, hv::kDeprecateAutoEoi | hv::kRelaxedTiming, ~0u));
  cpuid.push_back(leaf(hv::kCpuidLimits, features.cpu_count, features.cpu_count));
  cpuid.push_back(leaf(hv::kCpuidLast, 0));
}

}  // namespace viridian::vmm
