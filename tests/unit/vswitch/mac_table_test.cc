#include "vswitch/mac_table.h"

#include <gtest/gtest.h>

namespace viridian::vswitch {
namespace {

using Learned = MacTable::Learned;

TEST(MacTable, FindsWhatItLearned) {
  MacTable table;
  EXPECT_EQ(table.learn(mac_key(5, 1), 3, 100), Learned::kAdded);
  EXPECT_EQ(table.learn(mac_key(5, 1), 3, 101), Learned::kKnown);
  EXPECT_EQ(table.find(mac_key(5, 1), 101), 3);
  EXPECT_EQ(table.find(mac_key(5, 2), 101), kNoPort);
  EXPECT_EQ(table.find(mac_key(6, 1), 101), kNoPort);
}

TEST(MacTable, ABurstFindsWhatSingleLookupsFind) {
  MacTable table(64, 300);
  for (uint64_t key = 1; key <= 40; ++key)
    table.learn(key * 3, static_cast<PortId>(key % 5), 100);
  std::vector<uint64_t> keys = {3, 3, 0, 4, 120, 0, 123};
  for (uint64_t key = 1; key <= 57; ++key)
    keys.push_back(key);
  std::vector<uint64_t> hashes;
  for (const uint64_t key : keys)
    hashes.push_back(table.prefetch(key));
  std::vector<MacEntry*> found(keys.size());
  table.find_all(keys, hashes.data(), found.data());
  for (size_t i = 0; i < keys.size(); ++i)
    EXPECT_EQ(table.port_of(found[i], 100), table.find(keys[i], 100)) << keys[i];
}

TEST(MacTable, AFreePlaceIsNoAddress) {
  MacTable table;
  EXPECT_EQ(table.find(0, 0), kNoPort);
}

TEST(MacTable, ForgetsAfterItsAgeAndNotASecondEarlier) {
  MacTable table(64, 300);
  table.learn(7, 1, 1000);
  EXPECT_EQ(table.find(7, 1300), 1);
  EXPECT_EQ(table.find(7, 1301), kNoPort);
}

TEST(MacTable, AFrameKeepsAnAddressYoung) {
  MacTable table(64, 300);
  table.learn(7, 1, 1000);
  table.learn(7, 1, 1250);
  EXPECT_EQ(table.find(7, 1550), 1);
}

TEST(MacTable, SweepFreesTheOldAlone) {
  MacTable table(64, 300);
  table.learn(7, 1, 1000);
  table.learn(8, 1, 1200);
  table.age(1400, table.bucket_count());
  EXPECT_EQ(table.size(), 1U);
  EXPECT_EQ(table.learned_at(1), 1U);
  EXPECT_EQ(table.find(8, 1400), 1);
}

TEST(MacTable, MovesToAnotherPort) {
  MacTable table;
  table.learn(7, 1, 100);
  EXPECT_EQ(table.learn(7, 2, 100), Learned::kMoved);
  EXPECT_EQ(table.find(7, 100), 2);
  EXPECT_EQ(table.learned_at(1), 0U);
  EXPECT_EQ(table.learned_at(2), 1U);
}

TEST(MacTable, AddressThatFlapsStaysAndMovesAgainLater) {
  MacTable table;
  table.learn(7, 1, 100);
  for (unsigned i = 0; i < kMaxMoves; ++i)
    EXPECT_EQ(table.learn(7, i % 2 == 0 ? 2 : 1, 100), Learned::kMoved);
  EXPECT_EQ(table.learn(7, 2, 100), Learned::kMoveRefused);
  EXPECT_EQ(table.learn(7, 2, 100), Learned::kMoveRefused);
  EXPECT_EQ(table.find(7, 100), 1);
  EXPECT_EQ(table.learn(7, 2, 101), Learned::kMoved);
  EXPECT_EQ(table.learn(7, 1, 101), Learned::kMoveRefused);
  EXPECT_EQ(table.learn(7, 1, 120), Learned::kMoved);
}

TEST(MacTable, FixedAddressNeitherAgesNorMoves) {
  MacTable table(64, 300);
  table.learn(7, 1, 100);
  EXPECT_TRUE(table.set_fixed(7, 4));
  EXPECT_EQ(table.learn(7, 1, 100), Learned::kFixed);
  table.age(100000, table.bucket_count());
  EXPECT_EQ(table.find(7, 100000), 4);
  EXPECT_EQ(table.learned_at(1), 0U);
  table.flush_learned();
  EXPECT_EQ(table.size(), 1U);
  table.flush_port(4);
  EXPECT_EQ(table.size(), 0U);
}

TEST(MacTable, PortLimitStopsThatPortAlone) {
  MacTable table;
  table.set_port_limit(1, 2);
  EXPECT_EQ(table.learn(1, 1, 100), Learned::kAdded);
  EXPECT_EQ(table.learn(2, 1, 100), Learned::kAdded);
  EXPECT_EQ(table.learn(3, 1, 100), Learned::kFull);
  EXPECT_EQ(table.learn(3, 2, 100), Learned::kAdded);
  EXPECT_EQ(table.learn(3, 1, 100), Learned::kFull);
  EXPECT_TRUE(table.erase(1));
  EXPECT_FALSE(table.erase(1));
  EXPECT_EQ(table.learn(3, 1, 100), Learned::kMoved);
}

TEST(MacTable, HoldsAsManyAsItWasMadeFor) {
  for (const uint32_t capacity : {1U, 64U, 1000U, kMaxMacs}) {
    MacTable table(capacity);
    table.set_port_limit(1, kMaxMacs);
    for (uint64_t i = 1; i <= capacity; ++i)
      ASSERT_EQ(table.learn(mac_key(i, 1), 1, 100), Learned::kAdded) << i << " of " << capacity;
    EXPECT_EQ(table.learn(mac_key(0xFFFF'FFFF, 1), 1, 100), Learned::kFull);
    for (uint64_t i = 1; i <= capacity; ++i)
      ASSERT_EQ(table.find(mac_key(i, 1), 100), 1);
  }
}

TEST(MacTable, AdoptsWhatAnotherTableLearned) {
  MacTable here(64, 300);
  MacTable there(64, 300);
  there.learn(7, 2, 100);
  here.adopt(7, *there.entry(7));
  EXPECT_EQ(here.find(7, 100), 2);
  EXPECT_EQ(here.learned_at(2), 1U);
  there.learn(7, 2, 350);
  here.adopt(7, *there.entry(7));
  EXPECT_EQ(here.find(7, 600), 2);
  there.learn(7, 3, 351);
  here.adopt(7, *there.entry(7));
  EXPECT_EQ(here.find(7, 600), 3);
  EXPECT_EQ(here.learned_at(2), 0U);
}

TEST(MacTable, AdoptsNothingThatIsFixedOrOlder) {
  MacTable here(64, 300);
  here.set_fixed(7, 1);
  here.adopt(7, {.port = 2, .seen_s = 100});
  EXPECT_EQ(here.find(7, 100), 1);
  here.learn(8, 1, 101);
  here.adopt(8, {.port = 2, .seen_s = 100});
  EXPECT_EQ(here.find(8, 101), 1);
}

TEST(MacTable, TablesThatMoveAnAddressAtOnceAgreeInTheEnd) {
  MacTable here(64, 300);
  MacTable there(64, 300);
  for (MacTable* table : {&here, &there})
    table->learn(7, 5, 100);
  here.learn(7, 2, 100);
  there.learn(7, 1, 100);
  const MacEntry from_here = *here.entry(7);
  const MacEntry from_there = *there.entry(7);
  here.adopt(7, from_there);
  there.adopt(7, from_here);
  EXPECT_EQ(here.find(7, 100), 1);
  EXPECT_EQ(there.find(7, 100), 1);
}

TEST(MacTable, AdoptsNoMoreThanItHolds) {
  MacTable table(1, 300);
  table.adopt(7, {.port = 2, .seen_s = 100});
  table.adopt(8, {.port = 2, .seen_s = 100});
  EXPECT_EQ(table.size(), 1U);
}

}  // namespace
}  // namespace viridian::vswitch
