#include "vhd/tool/rebase.h"

#include <gtest/gtest.h>

#include "tests/unit/vhd/image_file.h"
#include "vhd/chain.h"
#include "vhd/tool/compare.h"
#include "vhd/tool/image_source.h"

namespace viridian::vhd::tool {
namespace {

class Rebase : public testing::Test {
 protected:
  // Puts a block into an image, all of it one byte.
  static void fill_block(const std::string& path, uint32_t block, uint8_t value) {
    ImageFile file(path);
    file.append_block(block);
    const uint64_t data = uint64_t{file.entry(block)} * 512 + 512;
    const std::vector<std::byte> bytes(2 << 20, std::byte{value});
    ASSERT_TRUE(write_exact(file.view(), data, bytes, "test"));
  }
  static std::vector<std::byte> content(const std::string& path, const OpenPolicy& policy = {}) {
    std::vector<std::byte> bytes(kTestSize);
    const auto source = ImageSource::open(path, policy, false);
    EXPECT_TRUE(source) << source.error().message;
    if (!source) return {};
    for (uint64_t at = 0; at < kTestSize; at += 1 << 20)
      EXPECT_TRUE((*source)->read_at(at, std::span(bytes).subspan(at, 1 << 20)));
    return bytes;
  }
  std::string file(const std::string& name) {
    std::filesystem::create_directories((folder_.path() / name).parent_path());
    return folder_.file(name);
  }
  TempFolder folder_;
};

TEST_F(Rebase, KeepsTheContentOnAnotherParent) {
  const std::string base = make_dynamic(file("base.vhd"));
  fill_block(base, 0, 1);
  fill_block(base, 1, 2);
  const std::string middle = make_child(file("middle.vhd"), base);
  fill_block(middle, 1, 3);
  fill_block(middle, 4, 4);
  const std::string leaf = make_child(file("leaf.vhd"), middle);
  fill_block(leaf, 7, 5);
  const auto before = content(leaf);
  RebaseCommand command;
  command.path = leaf;
  command.parent = base;
  const auto done = run_rebase(command);
  ASSERT_TRUE(done) << done.error().message;
  const auto chain = open_chain(leaf, Access::kReadOnly);
  ASSERT_TRUE(chain) << chain.error().message;
  EXPECT_EQ(chain->size(), 2u);
  EXPECT_TRUE(chain->front().image.warnings.empty());
  EXPECT_TRUE(content(leaf) == before);
  // Only what the middle had is copied.
  EXPECT_EQ(std::count_if(chain->front().image.bat.begin(), chain->front().image.bat.end(),
                          [](uint32_t sector) { return sector != kUnusedEntry; }),
            3);
}

TEST_F(Rebase, HidesWhatOnlyTheNewParentHas) {
  const std::string base = make_dynamic(file("base.vhd"));
  const std::string other = make_dynamic(file("other.vhd"));
  fill_block(other, 2, 9);
  const std::string leaf = make_child(file("leaf.vhd"), base);
  RebaseCommand command;
  command.path = leaf;
  command.parent = other;
  const auto done = run_rebase(command);
  ASSERT_TRUE(done) << done.error().message;
  const auto after = content(leaf);
  EXPECT_TRUE(
      std::all_of(after.begin(), after.end(), [](std::byte b) { return b == std::byte{}; }));
}

TEST_F(Rebase, UnsafeOnlyRecordsTheParent) {
  const std::string base = make_dynamic(file("base.vhd"));
  const std::string other = make_dynamic(file("other.vhd"));
  fill_block(other, 2, 9);
  const std::string leaf = make_child(file("leaf.vhd"), base);
  std::filesystem::remove(base);  // not even needed
  RebaseCommand command;
  command.path = leaf;
  command.parent = other;
  command.unsafe = true;
  const auto done = run_rebase(command);
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(content(leaf)[2 * (2 << 20)], std::byte{9});
}

TEST_F(Rebase, RefusesALoop) {
  const std::string base = make_dynamic(file("base.vhd"));
  const std::string middle = make_child(file("middle.vhd"), base);
  const std::string leaf = make_child(file("leaf.vhd"), middle);
  for (const std::string& parent : {leaf, middle}) {
    RebaseCommand command;
    command.path = middle;
    command.parent = parent;
    command.unsafe = true;
    const auto done = run_rebase(command);
    ASSERT_FALSE(done);
  }
  EXPECT_TRUE(open_chain(leaf, Access::kReadOnly));
}

TEST_F(Rebase, RefusesADiskWithoutParent) {
  const std::string base = make_dynamic(file("base.vhd"));
  const std::string other = make_dynamic(file("other.vhd"));
  RebaseCommand command;
  command.path = base;
  command.parent = other;
  ASSERT_FALSE(run_rebase(command));
}

TEST_F(Rebase, RelinkRecordsAMovedParentWhateverItsName) {
  const std::string base = make_dynamic(file("base.vhd"));
  fill_block(base, 0, 1);
  const std::string leaf = make_child(file("a/b c/leaf.vhd"), base);
  // Many times: the room of old paths is used again.
  uint64_t size = 0;
  std::string at = base;
  for (const char* name : {"d/Größe 日本 %20.vhd", "a/b c/next to it.vhd", "d/e/f/deep.vhd",
                           "d/Größe 日本 %20.vhd", "x.vhd", "d/e/f/deep.vhd"}) {
    const std::string to = file(name);
    std::filesystem::rename(at, to);
    at = to;
    OpenPolicy policy;
    policy.allow_parent_outside = true;
    RelinkCommand command;
    command.path = leaf;
    command.parent = to;
    const auto done = run_relink(command);
    ASSERT_TRUE(done) << done.error().message;
    const auto chain = open_chain(leaf, Access::kReadWrite, policy);
    ASSERT_TRUE(chain) << chain.error().message;
    EXPECT_TRUE(std::filesystem::equivalent((*chain)[1].path, to));
    const Image& image = chain->front().image;
    EXPECT_TRUE(image.warnings.empty()) << image.warnings.front();
    EXPECT_EQ(image.parent_name, std::filesystem::path(name).filename());
    ASSERT_EQ(image.locators.size(), 2u);
    EXPECT_EQ(image.locators[1].platform_code, kLocatorW2ru);
    EXPECT_TRUE(image.locators[1].path.starts_with(".\\")) << image.locators[1].path;
    if (size != 0) {
      EXPECT_LE(image.file_size_bytes, size + 4096);
    }
    size = std::max(size, image.file_size_bytes);
  }
  EXPECT_LE(size, std::filesystem::file_size(leaf) + 4096);
}

TEST_F(Rebase, ChildrenOfTheImageDoNotTakeItForWritten) {
  const std::string base = make_dynamic(file("base.vhd"));
  const std::string middle = make_child(file("middle.vhd"), base);
  const auto past = std::filesystem::last_write_time(middle) - std::chrono::hours(72);
  std::filesystem::last_write_time(middle, past);
  const std::string leaf = make_child(file("leaf.vhd"), middle);
  RelinkCommand command;
  command.path = middle;
  ASSERT_TRUE(run_relink(command));
  const auto chain = open_chain(leaf, Access::kReadOnly);
  ASSERT_TRUE(chain) << chain.error().message;
  EXPECT_TRUE(chain->front().image.warnings.empty());
}

TEST_F(Rebase, RelinkRefusesAnotherDisk) {
  const std::string base = make_dynamic(file("base.vhd"));
  const std::string other = make_dynamic(file("other.vhd"));
  const std::string leaf = make_child(file("leaf.vhd"), base);
  RelinkCommand command;
  command.path = leaf;
  command.parent = other;
  const auto done = run_relink(command);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().kind, ErrorKind::kMismatch);
}

TEST_F(Rebase, RelinkRewritesXensPath) {
  const std::string base = make_dynamic(file("base.vhd"));
  const std::string leaf = folder_.file("leaf.vhd");
  CreateOptions options;
  options.compat = Compat::kXen;
  ASSERT_TRUE(create_differencing(leaf, base, options));
  const std::string moved = file("moved here.vhd");
  std::filesystem::rename(base, moved);
  RelinkCommand command;
  command.path = leaf;
  command.parent = moved;
  const auto done = run_relink(command);
  ASSERT_TRUE(done) << done.error().message;
  const auto link = open_image(leaf, Access::kReadOnly);
  ASSERT_TRUE(link) << link.error().message;
  ASSERT_EQ(link->image.locators.size(), 3u);
  EXPECT_EQ(link->image.locators[0].platform_code, kLocatorMacX);
  EXPECT_TRUE(link->image.locators[0].path.ends_with("/moved here.vhd"));
  EXPECT_TRUE(link->image.batmap);
}

class Compare : public Rebase {};

TEST_F(Compare, FindsTheFirstByteAndEveryRange) {
  const std::string a = make_dynamic(file("a.vhd"));
  const std::string b = make_dynamic(file("b.vhd"));
  CompareCommand command;
  command.first = a;
  command.second = b;
  EXPECT_TRUE(run_compare(command));
  fill_block(a, 3, 1);
  fill_block(b, 3, 1);
  EXPECT_TRUE(run_compare(command));
  ImageFile file(b);
  file.put(uint64_t{file.entry(3)} * 512 + 512 + 1000, uint8_t{2});
  const auto done = run_compare(command);
  ASSERT_FALSE(done);
  EXPECT_NE(done.error().message.find(std::to_string(3 * (2 << 20) + 1000)), std::string::npos)
      << done.error().message;
  fill_block(b, 4, 0);  // allocated zeroes and a hole are the same
  command.all = true;
  EXPECT_FALSE(run_compare(command));
}

TEST_F(Compare, LargerDiskThatEndsInZeroesIsTheSameUnlessStrict) {
  const std::string a = make_dynamic(file("a.vhd"));
  const std::string b = make_dynamic(file("b.vhd"), kTestSize + (6 << 20));
  CompareCommand command;
  command.first = a;
  command.second = b;
  EXPECT_TRUE(run_compare(command));
  command.strict = true;
  EXPECT_FALSE(run_compare(command));
  command.strict = false;
  fill_block(b, 21, 1);
  EXPECT_FALSE(run_compare(command));
}

}  // namespace
}  // namespace viridian::vhd::tool
