#include "vhd/tool/check_blocks.h"

#include <gtest/gtest.h>

#include "tests/unit/vhd/image_file.h"

namespace viridian::vhd::tool {
namespace {

class CheckBlocks : public testing::Test {
 protected:
  CheckBlocks() : path_(make_dynamic(folder_.file("x.vhd"))), file_(path_) {
    file_.append_block(0);
    bitmap_ = uint64_t{file_.entry(0)} * 512;
  }
  std::vector<Finding> check() {
    const auto link = open_image(path_, Access::kReadOnly);
    EXPECT_TRUE(link) << link.error().message;
    std::vector<Finding> findings;
    if (link) {
      EXPECT_TRUE(check_blocks(*link, findings));
    }
    return findings;
  }
  TempFolder folder_;
  std::string path_;
  ImageFile file_;
  uint64_t bitmap_ = 0;
};

TEST_F(CheckBlocks, SoundImageHasNoFindings) { EXPECT_TRUE(check().empty()); }

TEST_F(CheckBlocks, UnusedSectorThatIsNotZeroIsAWarning) {
  file_.put(bitmap_, be64(0x7fffffffffffffff));  // sector 0 is unused
  EXPECT_TRUE(check().empty());
  file_.put(bitmap_ + 512, be32(1));
  const auto findings = check();
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].severity, Severity::kWarning);
  EXPECT_EQ(findings[0].offset, bitmap_ + 512);
}

TEST_F(CheckBlocks, TablePaddingAndLostSpaceAreNotes) {
  file_.put(1536 + 20 * 4, be32(0));
  const auto footer = file_.get<Footer>(file_.size() - 512);
  file_.resize(file_.size() + (8 << 20));
  file_.put(file_.size() - 512, footer);
  const auto findings = check();
  ASSERT_EQ(findings.size(), 2u);
  EXPECT_EQ(findings[0].severity, Severity::kNote);
  EXPECT_EQ(findings[1].severity, Severity::kNote);
}

}  // namespace
}  // namespace viridian::vhd::tool
