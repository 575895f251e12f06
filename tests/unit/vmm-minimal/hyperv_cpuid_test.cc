#include "vmm-minimal/hyperv_cpuid.h"

#include <gtest/gtest.h>

#include <cstring>

namespace viridian::vmm {
namespace {

std::vector<kvm_cpuid_entry2> with(const HypervFeatures& features) {
  std::vector<kvm_cpuid_entry2> cpuid(3);
  cpuid[0].function = 1;
  cpuid[1].function = 0x40000000;  // KVM's own
  cpuid[2].function = 0x40000100;  // and where it goes beside Hyper-V's
  apply_hyperv_cpuid(cpuid, features);
  return cpuid;
}

const kvm_cpuid_entry2& leaf(const std::vector<kvm_cpuid_entry2>& cpuid, uint32_t function) {
  const kvm_cpuid_entry2* found = nullptr;
  for (const auto& entry : cpuid) {
    if (entry.function != function) continue;
    EXPECT_EQ(found, nullptr) << "twice: " << function;
    found = &entry;
  }
  EXPECT_NE(found, nullptr) << function;
  return *found;
}

TEST(HypervCpuid, SaysMicrosoftHvAndNothingElse) {
  const auto cpuid = with({});
  const auto& base = leaf(cpuid, 0x40000000);
  char vendor[13] = {};
  std::memcpy(vendor, &base.ebx, 4);
  std::memcpy(vendor + 4, &base.ecx, 4);
  std::memcpy(vendor + 8, &base.edx, 4);
  EXPECT_STREQ(vendor, "Microsoft Hv");
  EXPECT_EQ(base.eax, 0x40000006u);
  EXPECT_EQ(leaf(cpuid, 0x40000001).eax, 0x31237648u);  // "Hv#1"
  for (const auto& entry : cpuid)
    EXPECT_NE(entry.function, 0x40000100u);
  EXPECT_EQ(leaf(cpuid, 1).ecx >> 31, 1u);
}

struct Bit {
  uint32_t leaf;
  char reg;
  unsigned bit;
  bool wanted;
  const char* name;
};

// TLFS 2.4.3 and 2.4.4.
constexpr Bit kBits[] = {
    {0x40000003, 'a', 0, false, "VP runtime"},
    {0x40000003, 'a', 1, false, "reference counter"},
    {0x40000003, 'a', 2, true, "SynIC"},
    {0x40000003, 'a', 3, false, "synthetic timers"},
    {0x40000003, 'a', 4, false, "APIC MSRs"},
    {0x40000003, 'a', 5, true, "hypercall MSRs"},
    {0x40000003, 'a', 6, true, "VP index"},
    {0x40000003, 'a', 7, false, "reset"},
    {0x40000003, 'a', 9, false, "reference TSC"},
    {0x40000003, 'a', 11, true, "frequency MSRs"},
    {0x40000003, 'a', 13, false, "re-enlightenment"},
    {0x40000003, 'a', 15, false, "invariant TSC control"},
    {0x40000003, 'b', 0, false, "create partitions"},
    {0x40000003, 'b', 1, false, "partition id: Linux stops when the call fails"},
    {0x40000003, 'b', 4, true, "post messages"},
    {0x40000003, 'b', 5, true, "signal events"},
    {0x40000003, 'b', 12, false, "CPU management: Linux becomes the root partition"},
    {0x40000003, 'b', 20, false, "extended hypercalls"},
    {0x40000003, 'b', 22, false, "isolation"},
    {0x40000003, 'd', 8, true, "frequency MSRs available"},
    {0x40000003, 'd', 10, true, "crash MSRs"},
    {0x40000003, 'd', 19, false, "direct synthetic timers"},
    {0x40000004, 'a', 2, false, "remote TLB flush"},
    {0x40000004, 'a', 5, true, "relaxed timing"},
    {0x40000004, 'a', 9, true, "deprecate auto-EOI"},
    {0x40000004, 'a', 10, false, "cluster IPI"},
    {0x40000004, 'a', 11, false, "extended processor masks"},
    {0x40000004, 'a', 14, false, "enlightened VMCS"},
};

TEST(HypervCpuid, OffersExactlyWhatIsThere) {
  const auto cpuid = with({.cpu_count = 2});
  for (const Bit& bit : kBits) {
    const auto& entry = leaf(cpuid, bit.leaf);
    const uint32_t value = bit.reg == 'a' ? entry.eax : bit.reg == 'b' ? entry.ebx : entry.edx;
    EXPECT_EQ((value >> bit.bit & 1) != 0, bit.wanted) << bit.name;
  }
  EXPECT_EQ(leaf(cpuid, 0x40000003).ebx, 0x30u);
  EXPECT_EQ(leaf(cpuid, 0x40000003).eax, 0x864u);
  EXPECT_EQ(leaf(cpuid, 0x40000004).ebx, ~0u);  // never report a long spin
  EXPECT_EQ(leaf(cpuid, 0x40000005).eax, 2u);
}

TEST(HypervCpuid, OffersTheInvariantTscOnlyWhereItIsTrue) {
  EXPECT_EQ(leaf(with({.invariant_tsc = true}), 0x40000003).eax, 0x8864u);
  EXPECT_EQ(leaf(with({.reference_tsc = true}), 0x40000003).eax, 0xA66u);
}

TEST(HypervCpuid, TheReferenceTscNeedsAHostThatTellsTimeByItsTsc) {
  std::vector<kvm_cpuid_entry2> power(1);
  power[0].function = 0x80000007;
  EXPECT_FALSE(hyperv_features(power, 1, "hpet").reference_tsc);
  EXPECT_FALSE(hyperv_features(power, 1, "").reference_tsc);
  EXPECT_TRUE(hyperv_features(power, 1, "tsc").reference_tsc);
  EXPECT_FALSE(hyperv_features(power, 1, "tsc").invariant_tsc);
  power[0].edx = 1 << 8;
  EXPECT_TRUE(hyperv_features(power, 1, "hpet").invariant_tsc);
  EXPECT_FALSE(hyperv_features(power, 1, "tsc").reference_tsc);
  EXPECT_EQ(hyperv_features(power, 3, "tsc").cpu_count, 3u);
}

}  // namespace
}  // namespace viridian::vmm
