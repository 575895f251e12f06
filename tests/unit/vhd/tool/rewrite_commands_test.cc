// What resize, compact and commit refuse, and what commit leaves.
#include "vhd/tool/rewrite_commands.h"

#include <gtest/gtest.h>

#include "tests/unit/vhd/image_file.h"
#include "vhd/chain.h"
#include "vhd/children.h"

namespace viridian::vhd::tool {
namespace {

class RewriteCommands : public testing::Test {
 protected:
  void SetUp() override {
    make_dynamic(base_);
    make_child(middle_, base_);
    make_child(leaf_, middle_);
    put(middle_, 1, 11);
    put(leaf_, 2, 22);
    put(leaf_, 3, 0);
  }
  static void put(const std::string& path, uint32_t block, uint64_t value) {
    ImageFile file(path);
    file.append_block(block);
    file.put<be64>(uint64_t{file.entry(block)} * 512 + 512, be64(value));
  }
  // What a block begins with; nothing if it has no place.
  static std::optional<uint64_t> value(const std::string& path, uint32_t block) {
    ImageFile file(path);
    if (file.entry(block) == kUnusedEntry) return std::nullopt;
    return file.get<be64>(uint64_t{file.entry(block)} * 512 + 512);
  }
  Result<void> commit(const std::string& path, const std::string& into = {},
                      bool delete_after = false, bool force = false) {
    CommitCommand command;
    command.path = path;
    command.into = into;
    command.delete_after = delete_after;
    command.force = force;
    return run_commit(command);
  }

  TempFolder folder_;
  std::string base_ = folder_.file("base.vhd");
  std::string middle_ = folder_.file("middle.vhd");
  std::string leaf_ = folder_.file("leaf.vhd");
};

TEST_F(RewriteCommands, FindTheChildrenOfAnImage) {
  const std::string other = make_child(folder_.file("other.vhd"), base_);
  const auto children = find_children(base_);
  ASSERT_TRUE(children) << children.error().message;
  EXPECT_EQ(*children, (std::vector<std::string>{middle_, other}));
  EXPECT_TRUE(find_children(leaf_)->empty());
}

TEST_F(RewriteCommands, CommitMovesTheDataAndLeavesAnEmptyChild) {
  const auto done = commit(leaf_);
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(value(middle_, 1), 11u);
  EXPECT_EQ(value(middle_, 2), 22u);
  EXPECT_EQ(value(leaf_, 2), std::nullopt);
  EXPECT_TRUE(open_chain(leaf_, Access::kReadOnly));
}

TEST_F(RewriteCommands, CommitIntoAnAncestorTakesWhatLiesBetween) {
  const auto done = commit(leaf_, base_, true);
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(value(base_, 1), 11u);
  EXPECT_EQ(value(base_, 2), 22u);
  EXPECT_FALSE(std::filesystem::exists(leaf_));
  EXPECT_FALSE(std::filesystem::exists(middle_));
}

TEST_F(RewriteCommands, CommitWithoutDeleteKeepsTheChildOverWhatLiesBetween) {
  ASSERT_TRUE(commit(leaf_, base_));
  EXPECT_EQ(value(leaf_, 2), 22u);
  EXPECT_EQ(value(middle_, 1), 11u);
}

TEST_F(RewriteCommands, CommitGrowsASmallerParent) {
  ResizeCommand resize;
  resize.path = leaf_;
  resize.size_bytes = 2 * kTestSize;
  ASSERT_TRUE(run_resize(resize));
  put(leaf_, 30, 33);
  ASSERT_TRUE(commit(leaf_));
  EXPECT_EQ(open_image(middle_, Access::kReadOnly)->image.size_bytes, 2 * kTestSize);
  EXPECT_EQ(value(middle_, 30), 33u);
}

TEST_F(RewriteCommands, CommitRefusesToChangeAnotherChildsParent) {
  make_child(folder_.file("sibling.vhd"), middle_);
  const auto refused = commit(leaf_);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("sibling.vhd"), std::string::npos);
  EXPECT_EQ(value(middle_, 2), std::nullopt);
  EXPECT_TRUE(commit(leaf_, {}, false, true));
}

TEST_F(RewriteCommands, CommitRefusesAnImageWithoutParentAndAForeignAncestor) {
  EXPECT_FALSE(commit(base_));
  const std::string other = make_dynamic(folder_.file("other.vhd"));
  EXPECT_FALSE(commit(leaf_, other));
}

// Hyper-V takes no chain whose sizes differ.
TEST_F(RewriteCommands, ResizeRefusesAParentWithChildren) {
  ResizeCommand command;
  command.path = middle_;
  command.size_bytes = 2 * kTestSize;
  const auto refused = run_resize(command);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("leaf.vhd"), std::string::npos);
  command.force = true;
  EXPECT_TRUE(run_resize(command));
}

TEST_F(RewriteCommands, ResizeRefusesToLoseDataAndNamesItsLastByte) {
  ResizeCommand command;
  command.path = leaf_;
  command.size_bytes = 4u << 20;
  const auto refused = run_resize(command);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("byte 4194311 "), std::string::npos)
      << refused.error().message;
  command.shrink = true;
  EXPECT_TRUE(run_resize(command));
}

TEST_F(RewriteCommands, ResizeShrinksToTheLastByteInUse) {
  ResizeCommand command;
  command.path = leaf_;
  command.size_bytes = (4u << 20) + 512;
  const auto done = run_resize(command);
  EXPECT_TRUE(done) << done.error().message;
}

TEST_F(RewriteCommands, CompactKeepsZeroesThatHideTheParentAndFreesTheOthers) {
  put(leaf_, 1, 0);  // over middle's 11
  CompactCommand command;
  command.path = leaf_;
  ASSERT_TRUE(run_compact(command));
  EXPECT_EQ(value(leaf_, 1), 0u);
  EXPECT_EQ(value(leaf_, 3), std::nullopt);
  EXPECT_EQ(value(leaf_, 2), 22u);
}

}  // namespace
}  // namespace viridian::vhd::tool
