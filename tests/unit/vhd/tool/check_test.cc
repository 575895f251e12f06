#include <gtest/gtest.h>

#include "tests/unit/vhd/image_file.h"
#include "vhd/chain.h"
#include "vhd/tool/commands.h"
#include "vhd/tool/repair.h"

namespace viridian::vhd::tool {
namespace {

class Check : public testing::Test {
 protected:
  static std::string check(const std::string& path) {
    CheckCommand command;
    command.path = path;
    const auto done = run_check(command);
    return done ? "" : done.error().message;
  }
  std::vector<char> bytes(const std::string& path) {
    std::vector<char> all(std::filesystem::file_size(path));
    const UniqueFd fd(::open(path.c_str(), O_RDONLY));
    EXPECT_EQ(::read(fd.get(), all.data(), all.size()), static_cast<ssize_t>(all.size()));
    return all;
  }
  TempFolder folder_;
};

TEST_F(Check, MissingParentEndsWithACureThatFits) {
  const std::string base = make_dynamic(folder_.file("base.vhd"));
  const std::string child = make_child(folder_.file("child.vhd"), base);
  EXPECT_EQ(check(child), "");
  std::filesystem::remove(base);
  EXPECT_TRUE(check(child).ends_with("--parent, or record it with vhdtool relink")) << check(child);
}

TEST_F(Check, DamageThatRepairMendsSaysSo) {
  const std::string path = make_dynamic(folder_.file("x.vhd"));
  ImageFile(path).set_entry(3, 0x7fffffff);
  EXPECT_NE(check(path).find("vhdtool repair --dry-run"), std::string::npos) << check(path);
}

TEST_F(Check, OtherDamageNeedsAGoodCopy) {
  const std::string path = make_dynamic(folder_.file("x.vhd"));
  ImageFile(path).change_header([](SparseHeader& header) { header.table_offset = 1 << 30; });
  EXPECT_TRUE(check(path).ends_with("restore the image from a good copy")) << check(path);
}

TEST_F(Check, LostFooterIsAWarningOnly) {
  const std::string path = make_dynamic(folder_.file("x.vhd"));
  ImageFile file(path);
  file.resize(file.size() - 512);
  EXPECT_EQ(check(path), "");
}

TEST_F(Check, DryRunWritesNothingAndUndoPutsBackWhatARepairChanged) {
  const std::string path = make_dynamic(folder_.file("x.vhd"));
  ImageFile file(path);
  file.append_block(1);
  file.set_entry(3, 0x7fffffff);
  file.put(24, be32(7));            // the copy
  file.resize(file.size() + 3000);  // and a tail
  const auto damaged = bytes(path);
  RepairCommand command;
  command.path = path;
  command.dry_run = true;
  ASSERT_TRUE(run_repair(command));
  EXPECT_EQ(bytes(path), damaged);
  command.dry_run = false;
  command.backup = folder_.file("x.undo");
  const auto done = run_repair(command);
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_NE(bytes(path), damaged);
  EXPECT_TRUE(open_image(path, Access::kReadWrite));
  RepairCommand undo;
  undo.path = path;
  undo.undo = command.backup;
  const auto undone = run_repair(undo);
  ASSERT_TRUE(undone) << undone.error().message;
  EXPECT_EQ(bytes(path), damaged);
}

TEST_F(Check, UndoOfAnotherImageIsRefused) {
  const std::string path = make_dynamic(folder_.file("x.vhd"));
  ImageFile file(path);
  file.resize(file.size() + 512);
  RepairCommand command;
  command.path = path;
  command.backup = folder_.file("x.undo");
  ASSERT_TRUE(run_repair(command));
  const std::string other = make_dynamic(folder_.file("other.vhd"), 8ull << 30);
  RepairCommand undo;
  undo.path = other;
  undo.undo = command.backup;
  ASSERT_FALSE(run_repair(undo));
  undo.undo = path;  // no undo file at all
  ASSERT_FALSE(run_repair(undo));
}

TEST_F(Check, RepairThatIsImpossibleWritesNothing) {
  const std::string path = make_dynamic(folder_.file("x.vhd"));
  ImageFile file(path);
  file.append_block(1);
  file.set_entry(0, file.entry(1));  // who owns it is not for us to say
  file.set_entry(3, 0x7fffffff);
  const auto damaged = bytes(path);
  RepairCommand command;
  command.path = path;
  const auto done = run_repair(command);
  ASSERT_FALSE(done);
  EXPECT_NE(done.error().message.find("--shared"), std::string::npos) << done.error().message;
  EXPECT_EQ(bytes(path), damaged);
}

}  // namespace
}  // namespace viridian::vhd::tool
