// What a guest reads in CPUID when it looks for Hyper-V: leaves 40000000h to 40000006h. TLFS 2.4.
// The features are the least that hv_vmbus needs; each one that is left out is named in the source.
#pragma once

#include <linux/kvm.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace viridian::vmm {

struct HypervFeatures {
  uint32_t cpu_count = 1;
  bool invariant_tsc = false;  // the processor says that its TSC never changes its rate nor stops
  bool reference_tsc = false;  // it does not say so, but the host tells its own time by the TSC
};

// `supported` is what KVM offers, `host_clock` the name of the host's clock (host_clock()).
//
// A Linux guest needs one of the two, or it marks its TSC unstable and every look at a clock is an
// exit. With an invariant TSC it uses the TSC as on bare metal; else the reference TSC page, which
// is as good as the host's own use of the TSC. With neither it is left to ACPI's timer.
HypervFeatures hyperv_features(std::span<const kvm_cpuid_entry2> supported, uint32_t cpu_count,
                               std::string_view host_clock);

// "tsc", "hpet", ...; empty if Linux does not say.
std::string host_clock();

// Takes every hypervisor leaf (40000000h and up) out of `cpuid`, puts Hyper-V's in, and sets the
// "hypervisor present" bit of leaf 1. KVM's own leaves must go: Linux prefers the highest base.
void apply_hyperv_cpuid(std::vector<kvm_cpuid_entry2>& cpuid, const HypervFeatures& features);

}  // namespace viridian::vmm
