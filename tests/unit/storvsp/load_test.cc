// What a request may not cost, counted and not timed: bench/storvsp_ring.cc measures the rest.
#include <gtest/gtest.h>

#include "bench/counted_calls.h"
#include "bench/storvsp_load.h"

namespace viridian::bench {
namespace {

TEST(StorvspLoad, CountersSeeAllocationsAndLocks) {
  if (!kCallsAreCounted) GTEST_SKIP() << "a sanitizer has taken the calls";
  const CallCounts before = counted_calls();
  StorvspLoad load(1);
  EXPECT_GT(counted_calls().allocations, before.allocations);
  EXPECT_GT(counted_calls().locks, before.locks);
}

TEST(StorvspLoad, ReadsUnderLoadNeitherAllocateNorLockNorEnterTheKernel) {
  StorvspLoad load(32);
  load.run(1000, StorvspLoad::Guest::kBusy);
  const PathCounts counts = load.run(20'000, StorvspLoad::Guest::kBusy);
  EXPECT_GE(counts.requests, 20'000u);
  EXPECT_EQ(counts.errors, 0u);
  EXPECT_EQ(counts.enters, 0u);
  EXPECT_EQ(counts.doorbells, 0u);
  EXPECT_EQ(counts.interrupts, 0u);
  if (!kCallsAreCounted) GTEST_SKIP() << "a sanitizer has taken the calls";
  EXPECT_EQ(counts.allocations, 0u);
  EXPECT_EQ(counts.locks, 0u);
}

TEST(StorvspLoad, GuestThatSleepsIsInterruptedOnceForABatch) {
  StorvspLoad load(32);
  load.run(1000, StorvspLoad::Guest::kSleepy);
  const PathCounts counts = load.run(3200, StorvspLoad::Guest::kSleepy);
  EXPECT_EQ(counts.errors, 0u);
  EXPECT_LE(counts.interrupts, counts.requests / 32 + 1);
}

}  // namespace
}  // namespace viridian::bench
