#include "vhd/tool/map.h"

#include <gtest/gtest.h>

#include "tests/unit/vhd/image_file.h"
#include "vhd/tool/map_picture.h"

namespace viridian::vhd::tool {
namespace {

constexpr uint64_t kBlock = 2 << 20;

class Map : public testing::Test {
 protected:
  Map() : base_(make_dynamic(folder_.file("base.vhd"))) {
    ImageFile base(base_);
    base.append_block(0);
    base.append_block(1);
    base.append_block(5);
  }
  std::vector<MapExtent> map(const std::string& path, const MapOptions& options = {}) {
    const auto chain = open_chain(path, Access::kReadOnly);
    EXPECT_TRUE(chain) << chain.error().message;
    std::vector<MapExtent> extents;
    EXPECT_TRUE(map_chain(*chain, options, [&](const MapExtent& one) { extents.push_back(one); }));
    uint64_t at = 0;
    for (const MapExtent& one : extents) {
      EXPECT_EQ(one.start, at);
      at += one.length;
    }
    EXPECT_EQ(at, kTestSize);
    return extents;
  }
  TempFolder folder_;
  std::string base_;
};

TEST_F(Map, MergesBlocksAndNamesTheirPlace) {
  const auto extents = map(base_);
  ASSERT_EQ(extents.size(), 4u);
  EXPECT_EQ(extents[0].length, 2 * kBlock);
  EXPECT_EQ(extents[0].layer, 0u);
  EXPECT_EQ(extents[0].pieces, 2u);
  EXPECT_EQ(extents[0].offset, ImageFile(base_).entry(0) * uint64_t{512} + 512);
  EXPECT_EQ(extents[1].layer, kNoLayer);
  EXPECT_TRUE(extents[1].zero);
  EXPECT_EQ(extents[2].start, 5 * kBlock);
}

TEST_F(Map, SplitsWhereTheFileIsNotContiguous) {
  MapOptions options;
  options.split = true;
  const auto extents = map(base_, options);
  ASSERT_EQ(extents.size(), 5u);
  EXPECT_EQ(extents[1].start, kBlock);
  EXPECT_EQ(extents[1].pieces, 1u);
}

TEST_F(Map, SectorsComeFromTheLayerThatHasThem) {
  const std::string child = make_child(folder_.file("child.vhd"), base_);
  ImageFile file(child);
  file.append_block(1);
  const uint64_t bitmap = uint64_t{file.entry(1)} * 512;
  for (uint64_t i = 0; i < 512; i += 8)
    file.put(bitmap + i, be64(0));
  file.put(bitmap, be16(0x3000));  // the sectors 2 and 3
  MapOptions sectors;
  sectors.sectors = true;
  const auto extents = map(child, sectors);
  ASSERT_EQ(extents.size(), 6u);
  EXPECT_EQ(extents[0].layer, 1u);
  EXPECT_EQ(extents[0].length, kBlock + 1024);
  EXPECT_EQ(extents[1].layer, 0u);
  EXPECT_EQ(extents[1].length, 1024u);
  EXPECT_EQ(extents[1].offset, bitmap + 512 + 1024);
  EXPECT_EQ(extents[2].layer, 1u);
  // By the table alone the whole block is the child's.
  const auto blocks = map(child);
  ASSERT_EQ(blocks.size(), 5u);
  EXPECT_EQ(blocks[1].length, kBlock);
  EXPECT_EQ(blocks[1].layer, 0u);
}

TEST_F(Map, HolesOfAFixedDiskAreZeroes) {
  const std::string path = folder_.file("fixed.vhd");
  CreateOptions options;
  options.size_bytes = kTestSize;
  ASSERT_TRUE(create_fixed(path, options));
  ImageFile(path).put(1 << 20, be64(1));
  const auto extents = map(path);
  ASSERT_GE(extents.size(), 1u);
  EXPECT_EQ(extents[0].layer, 0u);
  for (const MapExtent& one : extents)
    EXPECT_EQ(one.offset, one.start);
}

TEST(MapPicture, ShowsALittleAndNeverTakesItForAll) {
  MapPicture picture(1000, 1, 10);
  picture.add({0, 1, 0, false, 0, 1});
  picture.add({100, 99, 0, false, 0, 1});
  picture.add({200, 100, 0, false, 0, 1});
  const std::string text = text_picture(picture, {"a"}, 80);
  EXPECT_NE(text.find("│▁▇█·······│ 200 bytes"), std::string::npos) << text;
}

TEST(MapPicture, LinesFitTheTerminalWhateverTheNames) {
  const std::vector<std::string> labels = {"abc", "日本語の名前がとても長いディスク.vhd",
                                           "a-name-that-is-far-too-long-for-a-row.vhd", "\xff.vhd"};
  for (size_t columns : {60U, 80U, 200U}) {
    MapPicture picture(1 << 30, labels.size(), text_cells(labels, columns));
    const std::string text = text_picture(picture, labels, columns);
    for (size_t at = 0; at < text.size();) {
      const size_t end = text.find('\n', at);
      EXPECT_LE(width_of(text.substr(at, end - at)), columns);
      at = end + 1;
    }
  }
}

TEST(MapPicture, SvgEscapesNames) {
  const MapPicture picture(1 << 20, 1, 100);
  const std::string svg = svg_picture(picture, {"<a&b>\".vhd"});
  EXPECT_NE(svg.find("&lt;a&amp;b&gt;&quot;"), std::string::npos);
  EXPECT_EQ(svg.find("<a&b"), std::string::npos);
}

TEST(MapPicture, WidthCountsWideAndCombiningCharacters) {
  EXPECT_EQ(width_of("abc"), 3u);
  EXPECT_EQ(width_of("日本"), 4u);
  EXPECT_EQ(width_of("e\xcc\x81"), 1u);
}

}  // namespace
}  // namespace viridian::vhd::tool
