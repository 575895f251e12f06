#include "vhd/block_table.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace viridian::vhd {
namespace {

constexpr size_t kMany = 20000;  // several pages of entries, and a mapping of its own

TEST(BlockTable, BeginsUnused) {
  const BlockTable table(kMany);
  EXPECT_EQ(table.size(), kMany);
  EXPECT_EQ(table.next_used(0), kMany);
  EXPECT_EQ(table.count_used(), 0u);
  EXPECT_EQ(std::count(table.begin(), table.end(), kUnusedEntry), std::ptrdiff_t{kMany});
  EXPECT_TRUE(BlockTable().empty());
}

TEST(BlockTable, FindsWhatIsUsedAndSkipsWhatWasFreed) {
  BlockTable table(kMany);
  for (const size_t index : {0u, 1023u, 1024u, 5000u, 19999u})
    table.set(index, static_cast<uint32_t>(index + 7));
  table.set(1024, kUnusedEntry);
  std::vector<size_t> found;
  for (size_t i = table.next_used(0); i < table.size(); i = table.next_used(i + 1))
    found.push_back(i);
  EXPECT_EQ(found, (std::vector<size_t>{0, 1023, 5000, 19999}));
  EXPECT_EQ(table.count_used(), 4u);
  EXPECT_EQ(table[5000], 5007u);
  EXPECT_EQ(table[1024], kUnusedEntry);
}

TEST(BlockTable, KeepsItsEntriesWhenItIsCopiedMovedAndResized) {
  BlockTable table(kMany);
  table.set(3, 30);
  table.set(15000, 40);
  BlockTable copy = table;
  EXPECT_EQ(copy, table);
  copy.set(15000, 41);
  EXPECT_FALSE(copy == table);
  copy.set(15000, kUnusedEntry);
  EXPECT_FALSE(copy == table);

  table.resize(kMany * 2);
  EXPECT_EQ(table.count_used(), 2u);
  EXPECT_EQ(table[15000], 40u);
  EXPECT_EQ(table[kMany * 2 - 1], kUnusedEntry);
  table.resize(10);
  EXPECT_EQ(table.next_used(0), 3u);
  EXPECT_EQ(table.next_used(4), 10u);
  const BlockTable moved = std::move(table);
  EXPECT_EQ(moved[3], 30u);
}

}  // namespace
}  // namespace viridian::vhd
