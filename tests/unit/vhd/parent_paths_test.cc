#include "vhd/parent_paths.h"

#include <gtest/gtest.h>

namespace viridian::vhd {
namespace {

std::vector<std::string> paths(const std::vector<ParentCandidate>& candidates) {
  std::vector<std::string> out;
  for (const ParentCandidate& one : candidates)
    out.push_back(one.path);
  return out;
}

TEST(ParentCandidates, AreTriedRelativeFirstAndTheNameLast) {
  Image child;
  child.parent_name = "D:\\images\\name.vhd";
  child.locators = {{kLocatorW2ku, 0, 0, "C:\\vm\\absolute.vhd"},
                    {kLocatorMacX, 0, 0, "file://localhost/mac/a%20b.vhd"},
                    {kLocatorW2ru, 0, 0, ".\\sub\\relative.vhd"}};
  OpenPolicy policy;
  policy.drives = {{'D', "/srv/d"}};
  const std::vector<std::string> expected = {"./sub/relative.vhd", "name.vhd",
                                             "/mac/a b.vhd",       "/vm/absolute.vhd",
                                             "absolute.vhd",       "/srv/d//images/name.vhd"};
  EXPECT_EQ(paths(parent_candidates(child, policy)), expected);
}

TEST(ParentCandidates, LeaveOutWhatIsEmptyRepeatedOrCutByANul) {
  Image child;
  child.parent_name = "a.vhd";
  child.locators = {{kLocatorW2ru, 0, 0, ""},
                    {kLocatorW2ru, 0, 0, std::string("b\0c", 3)},
                    {kLocatorW2ru, 0, 0, "a.vhd"}};
  EXPECT_EQ(paths(parent_candidates(child, {})), std::vector<std::string>{"a.vhd"});
}

TEST(FileUrl, IsDecodedOnlyIfItIsOne) {
  EXPECT_EQ(posix_from_file_url("file:///a/b"), "/a/b");
  EXPECT_EQ(posix_from_file_url("file://localhost/a%2fb%"), "/a/b%");
  EXPECT_EQ(posix_from_file_url("http://x/a"), std::nullopt);
  EXPECT_EQ(posix_from_file_url("file://host"), std::nullopt);
}

TEST(WindowsPath, RelativeBeginsWithDotAndAbsoluteWithADrive) {
  EXPECT_EQ(windows_from_posix("base.vhd"), ".\\base.vhd");
  EXPECT_EQ(windows_from_posix("../x/base.vhd"), ".\\..\\x\\base.vhd");
  EXPECT_EQ(windows_from_posix("/srv/base.vhd"), "C:\\srv\\base.vhd");
}

}  // namespace
}  // namespace viridian::vhd
