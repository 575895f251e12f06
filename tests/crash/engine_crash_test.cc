// Requests to a disk, cut at every moment: after each cut the image opens without repair, what was
// flushed is there, and a sector that was not flushed is as it was or as it was written, never
// another's. At least 100,000 states; VIRIDIAN_TEST_FACTOR=10 makes it ten times as many.
//
// That the suite can fail is part of it: the syncs of a log are taken out of it in turn.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/crash/engine_workload.h"
#include "tests/support/test_factor.h"

namespace viridian::vhd {
namespace {

// Five growing shapes: 100,000 states in each run; and a fixed disk, which has no metadata to lose.
constexpr unsigned kStatesOfEachShape = 20000;

class EngineCrashTest : public testing::TestWithParam<WorkloadShape> {};

TEST_P(EngineCrashTest, EveryCutLeavesAnImageThatOpensWithAllThatWasFlushed) {
  auto reactor = std::move(*io::Reactor::create());
  size_t states = 0;
  for (unsigned seed = 1; seed <= scaled(GetParam().seeds); ++seed) {
    const auto outcome = EngineWorkload(*reactor, GetParam(), seed * 7919).run();
    states += outcome.states;
    ASSERT_EQ(outcome.problem, "") << "after " << states << " states";
  }
  std::printf("%zu states after a cut\n", states);
  RecordProperty("states", std::to_string(states));
  EXPECT_GE(states, scaled(kStatesOfEachShape));
}

INSTANTIATE_TEST_SUITE_P(Shapes, EngineCrashTest,
                         testing::Values(WorkloadShape{"Dynamic", 4096, 150, 1, 7, 5},
                                         WorkloadShape{"DynamicTinyBlocks", 512, 60, 1, 9, 5},
                                         WorkloadShape{"DynamicLargerBlocks", 65536, 700, 1, 7, 5},
                                         WorkloadShape{"Fixed", 0, 150, 1, 10, 5},
                                         WorkloadShape{"Child", 4096, 150, 2, 7, 5},
                                         WorkloadShape{"GrandchildLargerBlocks", 65536, 500, 3, 7,
                                                       5}),
                         [](const auto& shape) { return std::string(shape.param.name); });

// The syncs of a log that are not in it for nothing: without one of them, some cut shows it.
struct Syncs {
  unsigned all = 0;
  unsigned needed = 0;
};

// The step of a file's growth that a log is in: footer, sync, zeroes, sync (vhd/allocator.h).
class GrowthWatch {
 public:
  // True if `event` is the submission of the last sync.
  bool is_last_sync(const io::ChangeLog& log, const io::ChangeLog::Event& event) {
    using Change = io::ChangeLog::Change;
    const auto& operation = log.operations()[event.operation];
    if (operation.change == Change::kWrite && operation.offset != 0) {
      const auto footer = read_wire<Footer>(operation.bytes);
      if (footer && footer->cookie == kFooterCookie) grows_ = true;
    }
    if (operation.change == Change::kZero && event.done) zeroed_ = grows_;
    if (operation.change != Change::kSync || event.done || !zeroed_) return false;
    grows_ = zeroed_ = false;
    return true;
  }

 private:
  bool grows_ = false;
  bool zeroed_ = false;
};

TEST(CrashSuite, FindsOutThatASyncIsLeftOut) {
  const WorkloadShape shape = {"Child", 4096, 150, 2, 1, 1};
  auto reactor = std::move(*io::Reactor::create());
  Syncs of_growth;
  Syncs others;
  for (unsigned seed = 1; seed <= 60 && (of_growth.needed < 2 || others.needed < 9); ++seed) {
    EngineWorkload workload(*reactor, shape, seed * 104729);
    workload.run_session();
    // What a cut leaves behind the last block is what a growth has to take away.
    ASSERT_EQ(workload.cut(8).problem, "");
    workload.go_on_after_a_cut();
    workload.run_session();
    GrowthWatch watch;
    for (const auto& event : workload.log().events()) {
      const bool last = watch.is_last_sync(workload.log(), event);
      const auto& operation = workload.log().operations()[event.operation];
      if (event.done || !operation.is_sync()) continue;
      // Of the many others every fourth.
      Syncs& syncs = last ? of_growth : others;
      if (++syncs.all % 4 != 0 && !last) continue;
      if (!workload.cut(16, event.operation).problem.empty()) ++syncs.needed;
    }
  }
  std::printf("needed: %u of %u last syncs of a growth, %u of %u others\n", of_growth.needed,
              of_growth.all, others.needed, others.all / 4);
  EXPECT_GT(of_growth.needed, 0u);
  EXPECT_GT(others.needed, 0u);
}

// On a fixed disk a flush is all that orders anything: each is needed behind a write.
TEST(CrashSuite, FindsOutThatAFixedDiskIsNotFlushed) {
  const WorkloadShape shape = {"Fixed", 0, 150, 1, 1, 1};
  auto reactor = std::move(*io::Reactor::create());
  unsigned needed = 0;
  for (unsigned seed = 1; seed <= 20 && needed < 5; ++seed) {
    EngineWorkload workload(*reactor, shape, seed * 104729);
    workload.run_session();
    ASSERT_EQ(workload.cut(8).problem, "");
    for (size_t i = 0; i < workload.log().operations().size(); ++i) {
      if (!workload.log().operations()[i].is_sync()) continue;
      if (!workload.cut(16, i).problem.empty()) ++needed;
    }
  }
  EXPECT_GT(needed, 0u);
}

struct MutationCase {
  const char* name;
  Mutation mutation;
};

class CrashMutation : public testing::TestWithParam<MutationCase> {};

// Each of these bugs in the order of writes has to lead to a state that is wrong.
TEST_P(CrashMutation, IsFoundOut) {
  const WorkloadShape shape = {"Child", 4096, 150, 2, 1, 1};
  auto reactor = std::move(*io::Reactor::create());
  std::minstd_rand random(7);
  size_t tried = 0;
  std::string problem;
  for (unsigned seed = 1; seed <= 60 && problem.empty(); ++seed) {
    EngineWorkload workload(*reactor, shape, seed * 15485863);
    workload.run_session();
    ASSERT_EQ(workload.cut(8).problem, "");
    workload.go_on_after_a_cut();
    workload.run_session();
    ASSERT_EQ(workload.cut(8).problem, "");
    auto victims = workload.victims(GetParam().mutation);
    std::shuffle(victims.begin(), victims.end(), random);
    victims.resize(std::min<size_t>(victims.size(), 8));
    for (size_t i = 0; i < victims.size() && problem.empty(); ++i, ++tried)
      problem = workload.cut_mutated(16, GetParam().mutation, victims[i]).problem;
  }
  std::printf("after %zu mutations: %s\n", tried, problem.c_str());
  EXPECT_NE(problem, "");
}

INSTANTIATE_TEST_SUITE_P(
    Bugs, CrashMutation,
    testing::Values(MutationCase{"BitmapBeforeItsData", Mutation::kBitmapBeforeData},
                    MutationCase{"TableBeforeItsSpaceIsZero", Mutation::kTableBeforeZeroing},
                    MutationCase{"BitmapLost", Mutation::kBitmapLost},
                    MutationCase{"TableLost", Mutation::kTableLost},
                    MutationCase{"ZeroingLost", Mutation::kZeroingLost},
                    MutationCase{"FooterOfTheCloseLost", Mutation::kLastFooterLost}),
    [](const auto& bug) { return std::string(bug.param.name); });

}  // namespace
}  // namespace viridian::vhd
