// CPUID of the guest's processors: what KVM offers, with the topology of this machine (one package
// of `cpu_count` cores of one thread) and without KVM's own paravirtual leaves.
// Intel SDM volume 2A and AMD APM volume 3, "CPUID"; Hyper-V's leaves are added by the caller.
#pragma once

#include <linux/kvm.h>

#include <span>
#include <vector>

namespace viridian::vmm {

// For vCPU `index`, whose APIC id is the same number.
std::vector<kvm_cpuid_entry2> guest_cpuid(std::span<const kvm_cpuid_entry2> supported,
                                          unsigned index, unsigned cpu_count);

}  // namespace viridian::vmm
