#include "vhd/tool/chain_tree.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/unit/vhd/image_file.h"

namespace viridian::vhd::tool {
namespace {

class ChainTree : public testing::Test {
 protected:
  std::vector<TreeNode> read(bool recursive = true) {
    TreeOptions options;
    options.recursive = recursive;
    auto nodes = read_tree(folder_.path(), options);
    EXPECT_TRUE(nodes) << nodes.error().message;
    return nodes ? std::move(*nodes) : std::vector<TreeNode>{};
  }
  static const TreeNode& node(const std::vector<TreeNode>& nodes, const std::string& path) {
    const auto found = std::find_if(nodes.begin(), nodes.end(),
                                    [&](const TreeNode& one) { return one.path == path; });
    EXPECT_NE(found, nodes.end()) << path;
    return *found;
  }
  static std::string problems(const TreeNode& node) {
    std::string names;
    for (const TreeProblem& one : node.problems)
      names += std::string(names.empty() ? "" : " ") + std::string(one.name);
    return names;
  }
  std::string file(const std::string& name) {
    std::filesystem::create_directories((folder_.path() / name).parent_path());
    return folder_.file(name);
  }
  TempFolder folder_;
};

TEST_F(ChainTree, LinksChildrenToParents) {
  const std::string base = make_dynamic(file("base.vhd"));
  const std::string a = make_child(file("a.vhd"), base);
  make_child(file("sub/b.avhd"), a);
  make_child(file("c.vhd"), base);
  const auto nodes = read();
  ASSERT_EQ(nodes.size(), 4u);
  const TreeNode& root = node(nodes, "base.vhd");
  EXPECT_EQ(root.parent, kNoNode);
  EXPECT_EQ(root.children.size(), 2u);
  EXPECT_EQ(nodes[node(nodes, "sub/b.avhd").parent].path, "a.vhd");
  EXPECT_EQ(node(nodes, "sub/b.avhd").parent_source, "W2ru");
  for (const TreeNode& one : nodes)
    EXPECT_EQ(problems(one), "");
  EXPECT_EQ(read(false).size(), 3u);
}

TEST_F(ChainTree, FindsAMovedParentByItsId) {
  const std::string base = make_dynamic(file("base.vhd"));
  make_child(file("child.vhd"), base);
  std::filesystem::rename(base, file("elsewhere/renamed.vhd"));
  const auto nodes = read();
  const TreeNode& child = node(nodes, "child.vhd");
  ASSERT_NE(child.parent, kNoNode);
  EXPECT_EQ(nodes[child.parent].path, "elsewhere/renamed.vhd");
  EXPECT_EQ(problems(child), "parent-moved");
}

TEST_F(ChainTree, NamesEachKindOfBrokenLink) {
  const std::string base = make_dynamic(file("base.vhd"));
  make_child(file("changed.vhd"), base);
  std::filesystem::remove(base);
  make_dynamic(base);  // of the same name
  const std::string gone = make_dynamic(file("gone.vhd"));
  make_child(file("missing.vhd"), gone);
  std::filesystem::remove(gone);
  const std::string one = make_dynamic(file("one.vhd"));
  std::filesystem::copy(one, file("copy of one.vhd"));
  const auto nodes = read();
  EXPECT_EQ(problems(node(nodes, "changed.vhd")), "parent-changed");
  EXPECT_TRUE(problems(node(nodes, "missing.vhd")).starts_with("parent-"));
  EXPECT_EQ(problems(node(nodes, "one.vhd")), "id-clash");
  EXPECT_EQ(problems(node(nodes, "copy of one.vhd")), "id-clash");
}

TEST_F(ChainTree, SaysWhenAParentWasWrittenAfterItsChildWasMade) {
  const std::string base = make_dynamic(file("base.vhd"));
  make_child(file("child.vhd"), base);
  const auto made = std::filesystem::last_write_time(base);
  std::filesystem::last_write_time(base, made + std::chrono::minutes(59));  // summer time
  EXPECT_EQ(problems(node(read(), "child.vhd")), "");
  std::filesystem::last_write_time(base, made + std::chrono::hours(48));
  EXPECT_EQ(problems(node(read(), "child.vhd")), "parent-written");
}

TEST_F(ChainTree, EndsALoop) {
  const std::string base = make_dynamic(file("base.vhd"));
  const std::string a = make_child(file("a.vhd"), base);
  const std::string b = make_child(file("b.vhd"), a);
  const UniqueId id = ImageFile(b).get<Footer>(0).unique_id;
  ImageFile file_a(a);
  file_a.change_header([&](SparseHeader& header) {
    header.parent_unique_id = id;
    header.parent_locators.fill({});
    header.parent_unicode_name.fill({});
    for (size_t i = 0; i < 5; ++i)
      header.parent_unicode_name[i] = static_cast<uint16_t>("b.vhd"[i]);
  });
  const auto nodes = read();
  const auto loops = std::count_if(nodes.begin(), nodes.end(), [](const TreeNode& one) {
    return problems(one).find("loop") != std::string::npos;
  });
  EXPECT_EQ(loops, 1);
  EXPECT_GE(std::count_if(nodes.begin(), nodes.end(),
                          [](const TreeNode& one) { return one.parent == kNoNode; }),
            2);
}

TEST_F(ChainTree, OpensNothingButFiles) {
  make_dynamic(file("base.vhd"));
  ASSERT_EQ(::mkfifo(file("fifo.vhd").c_str(), 0600), 0);
  std::filesystem::create_symlink("base.vhd", file("link.vhd"));
  std::filesystem::create_symlink("/dev/zero", file("zero.vhd"));
  std::filesystem::create_directory(file("folder.vhd"));
  std::filesystem::create_directory_symlink(".", file("again"));
  ASSERT_EQ(::close(::open(file("empty.vhd").c_str(), O_CREAT | O_WRONLY, 0600)), 0);
  const auto nodes = read();
  ASSERT_EQ(nodes.size(), 2u);
  EXPECT_EQ(problems(node(nodes, "empty.vhd")), "unreadable");
}

}  // namespace
}  // namespace viridian::vhd::tool
