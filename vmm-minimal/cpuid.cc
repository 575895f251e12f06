#include "vmm-minimal/cpuid.h"

#include <bit>
#include <cstdint>

namespace viridian::vmm {
namespace {

constexpr uint32_t kHypervisorFirst = 0x4000'0000, kHypervisorLast = 0x4FFF'FFFF;
constexpr uint32_t kLeaf1EcxVmx = 1u << 5, kLeaf1EcxX2apic = 1u << 21;
constexpr uint32_t kLeaf1EcxTscDeadline = 1u << 24, kLeaf1EcxHypervisor = 1u << 31;
constexpr uint32_t kLeaf1EdxHtt = 1u << 28;
constexpr uint32_t kExtLeaf1EcxSvm = 1u << 2, kExtLeaf1EcxCmpLegacy = 1u << 1;
constexpr uint32_t kTopologySmt = 1u << 8, kTopologyCore = 2u << 8;

constexpr bool is_topology_leaf(uint32_t leaf) { return leaf == 0xB || leaf == 0x1F; }

void append_topology(std::vector<kvm_cpuid_entry2>& entries, uint32_t leaf, uint32_t apic_id,
                     uint32_t cpu_count) {
  const auto core_bits = static_cast<uint32_t>(std::bit_width(cpu_count - 1));
  const struct {
    uint32_t shift, count, type;
  } levels[] = {{0, 1, kTopologySmt}, {core_bits, cpu_count, kTopologyCore}, {0, 0, 0}};
  for (uint32_t level = 0; level < std::size(levels); ++level) {
    kvm_cpuid_entry2 entry{};
    entry.function = leaf;
    entry.index = level;
    entry.flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX;
    entry.eax = levels[level].shift;
    entry.ebx = levels[level].count;
    entry.ecx = level | levels[level].type;
    entry.edx = apic_id;
    entries.push_back(entry);
  }
}

void fix(kvm_cpuid_entry2& entry, uint32_t apic_id, uint32_t cpu_count) {
  switch (entry.function) {
    case 1:
      entry.ebx = (entry.ebx & 0xFFFF) | cpu_count << 16 | apic_id << 24;
      entry.ecx &= ~kLeaf1EcxVmx;  // no nested guests
      // KVM's local APIC has both; KVM_GET_SUPPORTED_CPUID leaves them to those who create it.
      entry.ecx |= kLeaf1EcxX2apic | kLeaf1EcxTscDeadline | kLeaf1EcxHypervisor;
      entry.edx &= ~kLeaf1EdxHtt;
      if (cpu_count > 1) entry.edx |= kLeaf1EdxHtt;
      break;
    case 4:  // Intel caches: not shared by threads; cores in the package
      if ((entry.eax & 0x1F) == 0) break;
      entry.eax = (entry.eax & 0x3FFF) | (cpu_count - 1) << 26;
      break;
    case 0x8000'0001:
      entry.ecx &= ~(kExtLeaf1EcxSvm | kExtLeaf1EcxCmpLegacy);
      if (cpu_count > 1) entry.ecx |= kExtLeaf1EcxCmpLegacy;
      break;
    case 0x8000'0008:  // AMD: number of cores and the bits of the APIC id for them
      entry.ecx = (cpu_count - 1) | static_cast<uint32_t>(std::bit_width(cpu_count - 1)) << 12;
      break;
    case 0x8000'001D:  // AMD caches: not shared
      entry.eax &= 0x3FFF;
      break;
    case 0x8000'001E:  // AMD: one node, one thread in each core
      entry.eax = apic_id;
      entry.ebx = apic_id;
      entry.ecx = 0;
      break;
    default:
      break;
  }
}

}  // namespace

std::vector<kvm_cpuid_entry2> guest_cpuid(std::span<const kvm_cpuid_entry2> supported,
                                          unsigned index, unsigned cpu_count) {
  std::vector<kvm_cpuid_entry2> entries;
  bool has_leaf_b = false, has_leaf_1f = false;
  for (kvm_cpuid_entry2 entry : supported) {
    if (entry.function >= kHypervisorFirst && entry.function <= kHypervisorLast) continue;
    has_leaf_b |= entry.function == 0xB;
    has_leaf_1f |= entry.function == 0x1F;
    if (is_topology_leaf(entry.function)) continue;
    fix(entry, index, cpu_count);
    entries.push_back(entry);
  }
  if (has_leaf_b) append_topology(entries, 0xB, index, cpu_count);
  if (has_leaf_1f) append_topology(entries, 0x1F, index, cpu_count);
  return entries;
}

}  // namespace viridian::vmm
