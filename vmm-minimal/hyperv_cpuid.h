// What a guest reads in CPUID when it looks for Hyper-V: leaves 40000000h to 40000006h. TLFS 2.4.
// The features are the least that hv_vmbus needs; each one that is left out is named in the source.
#pragma once

#include <linux/kvm.h>

#include <cstdint>
#include <vector>

namespace viridian::vmm {

struct HypervFeatures {
  uint32_t cpu_count = 1;
  bool invariant_tsc = false;  // the guest's TSC never changes its rate nor stops
  bool reference_tsc = false;  // the reference TSC page is right on this host
};

// Takes every hypervisor leaf (40000000h and up) out of `cpuid`, puts Hyper-V's in, and sets the
// "hypervisor present" bit of leaf 1. KVM's own leaves must go: Linux prefers the highest base.
void apply_hyperv_cpuid(std::vector<kvm_cpuid_entry2>& cpuid, const HypervFeatures& features);

}  // namespace viridian::vmm
