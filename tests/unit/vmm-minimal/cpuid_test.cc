#include "vmm-minimal/cpuid.h"

#include <gtest/gtest.h>

#include <optional>

namespace viridian::vmm {
namespace {

kvm_cpuid_entry2 leaf(uint32_t function, uint32_t eax = 0, uint32_t ebx = 0, uint32_t ecx = 0,
                      uint32_t edx = 0) {
  kvm_cpuid_entry2 entry{};
  entry.function = function;
  entry.eax = eax;
  entry.ebx = ebx;
  entry.ecx = ecx;
  entry.edx = edx;
  return entry;
}

std::optional<kvm_cpuid_entry2> find(const std::vector<kvm_cpuid_entry2>& entries,
                                     uint32_t function, uint32_t index = 0) {
  for (const auto& entry : entries) {
    if (entry.function == function && entry.index == index) return entry;
  }
  return std::nullopt;
}

TEST(Cpuid, KvmsOwnLeavesAreGone) {
  const kvm_cpuid_entry2 supported[] = {leaf(1), leaf(0x4000'0000), leaf(0x4000'0001),
                                        leaf(0x4000'0100), leaf(0x8000'0000)};
  const auto entries = guest_cpuid(supported, 0, 1);
  EXPECT_TRUE(find(entries, 1));
  EXPECT_TRUE(find(entries, 0x8000'0000));
  EXPECT_FALSE(find(entries, 0x4000'0000));
  EXPECT_FALSE(find(entries, 0x4000'0100));
}

TEST(Cpuid, EveryProcessorHasItsApicIdAndTheCount) {
  const kvm_cpuid_entry2 supported[] = {leaf(1, 0, 0xFFFF'1234), leaf(0xB)};
  const auto entries = guest_cpuid(supported, 2, 3);
  EXPECT_EQ(find(entries, 1)->ebx, 0x0203'1234u);
  EXPECT_NE(find(entries, 1)->edx & 1u << 28, 0u);
  EXPECT_EQ(find(entries, 0xB, 0)->edx, 2u);
  EXPECT_EQ(find(entries, 0xB, 1)->eax, 2u);  // bits that tell three cores apart
  EXPECT_EQ(find(entries, 0xB, 1)->ebx, 3u);
  EXPECT_EQ(find(entries, 0xB, 2)->ecx, 2u);  // the list ends with level type 0
}

TEST(Cpuid, OneProcessorIsNotSharedByThreads) {
  const kvm_cpuid_entry2 supported[] = {leaf(1, 0, 0, 0, 1u << 28), leaf(4, 0xFC00'4121)};
  const auto entries = guest_cpuid(supported, 0, 1);
  EXPECT_EQ(find(entries, 1)->edx & 1u << 28, 0u);
  EXPECT_EQ(find(entries, 4)->eax, 0x121u);
}

TEST(Cpuid, NestedVirtualizationIsHidden) {
  const kvm_cpuid_entry2 supported[] = {leaf(1, 0, 0, 1u << 5), leaf(0x8000'0001, 0, 0, 1u << 2)};
  const auto entries = guest_cpuid(supported, 0, 1);
  EXPECT_EQ(find(entries, 1)->ecx & 1u << 5, 0u);
  EXPECT_EQ(find(entries, 0x8000'0001)->ecx & 1u << 2, 0u);
}

}  // namespace
}  // namespace viridian::vmm
