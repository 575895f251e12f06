#include "vhd/tool/data_map.h"

#include <gtest/gtest.h>

#include "tests/unit/vhd/image_file.h"

namespace viridian::vhd::tool {
namespace {

constexpr uint64_t kBlock = 2 << 20;

std::vector<Range> ranges_of(const std::string& path) {
  const auto chain = open_chain(path, Access::kReadOnly);
  EXPECT_TRUE(chain) << chain.error().message;
  return chain ? data_ranges(*chain) : std::vector<Range>{};
}

void expect_ranges(const std::vector<Range>& ranges,
                   std::vector<std::pair<uint64_t, uint64_t>> expected) {
  ASSERT_EQ(ranges.size(), expected.size());
  for (size_t i = 0; i < ranges.size(); ++i) {
    EXPECT_EQ(ranges[i].offset, expected[i].first);
    EXPECT_EQ(ranges[i].length, expected[i].second);
  }
}

TEST(DataMap, IsTheUnionOfAllLayersBlocks) {
  const TempFolder folder;
  const std::string base = make_dynamic(folder.file("base.vhd"));
  ImageFile(base).append_block(3);
  const std::string child = make_child(folder.file("child.vhd"), base);
  expect_ranges(ranges_of(child), {{3 * kBlock, kBlock}});
  ImageFile(child).append_block(2);
  ImageFile(child).append_block(9);
  expect_ranges(ranges_of(child), {{2 * kBlock, 2 * kBlock}, {9 * kBlock, kBlock}});
}

TEST(DataMap, LastBlockEndsWithTheDisk) {
  const TempFolder folder;
  const std::string path = make_dynamic(folder.file("x.vhd"), kBlock + 512);
  ImageFile(path).append_block(1);
  expect_ranges(ranges_of(path), {{kBlock, 512}});
}

TEST(DataMap, HolesOfARawFileAreLeftOutAndDataIsNot) {
  const TempFolder folder;
  const std::string path = folder.file("disk.img");
  const UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  ASSERT_EQ(::ftruncate(fd.get(), 64 << 20), 0);
  ASSERT_EQ(::pwrite(fd.get(), "x", 1, 32 << 20), 1);
  bool covered = false;
  uint64_t bytes = 0;
  for (const Range& range : ranges_of(path)) {
    covered |= range.offset <= 32 << 20 && range.offset + range.length > 32 << 20;
    bytes += range.length;
  }
  EXPECT_TRUE(covered);
  EXPECT_LE(bytes, 64u << 20);
}

}  // namespace
}  // namespace viridian::vhd::tool
