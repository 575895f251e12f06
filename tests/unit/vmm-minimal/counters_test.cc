#include "vmm-minimal/counters.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace viridian::vmm {
namespace {

uint64_t value_of(const Stats& stats, std::string_view group, std::string_view name) {
  for (const Stat& stat : stats) {
    if (stat.group == group && stat.name == name) return stat.value;
  }
  return 0;
}

TEST(Counters, ReportAddsTheVcpusUp) {
  VcpuCounters first, second;
  first.exit(ExitKind::kPortOut);
  first.port(0x3F8, true);
  second.exit(ExitKind::kPortOut);
  second.port(0x3F8, true);
  second.port(0x3F8, false);
  const VcpuCounters* all[] = {&first, &second};
  Stats stats;
  append_vcpu_stats(stats, all);
  EXPECT_EQ(value_of(stats, "exits", "total"), 2u);
  EXPECT_EQ(value_of(stats, "exits", "port_out"), 2u);
  EXPECT_EQ(value_of(stats, "ports", "0x03f8 out"), 2u);
  EXPECT_EQ(value_of(stats, "ports", "0x03f8 in"), 1u);
  EXPECT_EQ(std::count_if(stats.begin(), stats.end(), [](const Stat& s) { return s.value == 0; }),
            0);
}

TEST(Counters, MsrsAreToldApartAlsoWhenTheyShareASlot) {
  VcpuCounters counters;
  const auto other = static_cast<uint32_t>(0x4000'0080 + VcpuCounters::kMsrSlots);
  counters.msr(0x4000'0080, false);
  counters.msr(other, true);
  counters.msr(other, true);
  counters.msr(0, true);
  const VcpuCounters* all[] = {&counters};
  Stats stats;
  append_vcpu_stats(stats, all);
  EXPECT_EQ(value_of(stats, "msrs", "0x40000080 read"), 1u);
  EXPECT_EQ(value_of(stats, "msrs", "0x40000100 write"), 2u);
  EXPECT_EQ(value_of(stats, "msrs", "0x00000000 write"), 1u);
}

TEST(Counters, MoreMsrsThanSlotsAreCountedTogether) {
  VcpuCounters counters;
  constexpr uint32_t kCount = 1000;
  for (uint32_t msr = 0; msr < kCount; ++msr)
    counters.msr(msr, false);
  uint64_t sum = 0;
  for (const MsrCount& slot : counters.msrs())
    sum += slot.reads.get();
  EXPECT_EQ(sum, kCount);
  const VcpuCounters* all[] = {&counters};
  Stats stats;
  append_vcpu_stats(stats, all);
  EXPECT_GT(value_of(stats, "msrs", "others read"), kCount - VcpuCounters::kMsrSlots);
}

TEST(Counters, JsonHasOneObjectForEachGroup) {
  const Stats stats = {{"exits", "total", 3}, {"serial", "bytes_out", 7}, {"exits", "other", 1}};
  EXPECT_EQ(to_json(stats),
            "{\n  \"exits\": {\n    \"total\": 3,\n    \"other\": 1\n  },\n  \"serial\": {\n    "
            "\"bytes_out\": 7\n  }\n}\n");
}

}  // namespace
}  // namespace viridian::vmm
