#include "vswitch/dpdk.h"

#include <gtest/gtest.h>
#include <rte_mbuf.h>
#include <sched.h>

#include <cstdlib>
#include <thread>

namespace viridian::vswitch {
namespace {

TEST(Dpdk, StartsWithoutHugepagesAndOnceIsEnough) {
  const auto first = start_dpdk();
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_TRUE(start_dpdk());
}

TEST(Dpdk, LeavesTheProcessorsOfItsCallerAlone) {
  cpu_set_t before;
  cpu_set_t after;
  ASSERT_EQ(::sched_getaffinity(0, sizeof(before), &before), 0);
  ASSERT_TRUE(start_dpdk());
  ASSERT_EQ(::sched_getaffinity(0, sizeof(after), &after), 0);
  EXPECT_TRUE(CPU_EQUAL(&before, &after));
}

// In a process of its own, since DPDK starts but once.
TEST(DpdkDeathTest, StartsWhereProcessorZeroIsNotAllowed) {
  if (std::thread::hardware_concurrency() < 2) GTEST_SKIP() << "not here: a second processor";
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto start = [] {
    cpu_set_t allowed;
    if (::sched_getaffinity(0, sizeof(allowed), &allowed) != 0) std::exit(2);
    CPU_CLR(0, &allowed);
    if (::sched_setaffinity(0, sizeof(allowed), &allowed) != 0) std::exit(3);
    std::exit(start_dpdk() ? 0 : 1);
  };
  EXPECT_EXIT(start(), testing::ExitedWithCode(0), "");
}

TEST(Dpdk, AThreadOfOursGetsFramesAndGivesThemBack) {
  ASSERT_TRUE(start_dpdk());
  const auto pool = make_frame_pool("dpdk_test", 64);
  ASSERT_TRUE(pool) << pool.error().message;
  std::jthread([&] {
    const DpdkThread registered;
    rte_mbuf* frame = rte_pktmbuf_alloc(pool->get());
    ASSERT_NE(frame, nullptr);
    rte_pktmbuf_free(frame);
  }).join();
  EXPECT_EQ(rte_mempool_avail_count(pool->get()), 64U);
}

TEST(Dpdk, PoolThatDoesNotFitIsRefused) {
  ASSERT_TRUE(start_dpdk());
  const auto pool = make_frame_pool("dpdk_test_large", 1 << 20);
  ASSERT_FALSE(pool);
  EXPECT_NE(pool.error().message.find("1048576 frames"), std::string::npos);
}

}  // namespace
}  // namespace viridian::vswitch
