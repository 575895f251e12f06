#include "vhd/create.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/unit/vhd/image_file.h"
#include "vhd/chain.h"

namespace viridian::vhd {
namespace {

size_t file_count(const TempFolder& folder) {
  return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(folder.path()), {}));
}

CreateOptions sized(uint64_t size_bytes) {
  CreateOptions options;
  options.size_bytes = size_bytes;
  return options;
}

TEST(Create, FixedImageHasItsSizeAndAFooterBehind) {
  const TempFolder folder;
  const std::string path = folder.file("fixed.vhd");
  ASSERT_TRUE(create_fixed(path, sized(3 << 20)));
  const auto link = open_image(path, Access::kReadWrite);
  ASSERT_TRUE(link) << link.error().message;
  EXPECT_EQ(link->image.type, ImageType::kFixed);
  EXPECT_EQ(link->image.size_bytes, 3u << 20);
  EXPECT_EQ(link->image.footer_offset, 3u << 20);
  EXPECT_EQ(link->image.warnings, std::vector<std::string>{});
}

TEST(Create, PreallocatedFixedImageOwnsItsSpace) {
  const TempFolder folder;
  CreateOptions options = sized(3 << 20);
  options.preallocate = true;
  ASSERT_TRUE(create_fixed(folder.file("fixed.vhd"), options));
  struct stat status {};
  ASSERT_EQ(::stat(folder.file("fixed.vhd").c_str(), &status), 0);
  EXPECT_GE(status.st_blocks * 512, 3 << 20);
}

TEST(Create, FirstBlockOfADynamicImageStartsOnAPage) {
  const TempFolder folder;
  for (uint64_t size : {uint64_t{512}, uint64_t{2} << 20, kTestSize + 512, uint64_t{2040} << 30}) {
    const std::string path = make_dynamic(folder.file(std::to_string(size) + ".vhd"), size);
    const auto link = open_image(path, Access::kReadWrite);
    ASSERT_TRUE(link) << link.error().message;
    const Image& image = link->image;
    EXPECT_EQ(image.size_bytes, size);
    EXPECT_EQ(image.bat.size(), (size + (2 << 20) - 1) / (2 << 20));
    EXPECT_EQ((image.footer_offset + image.bitmap_bytes) % kDataAlignment, 0u);
    EXPECT_LE(image.data_end, image.footer_offset);
    EXPECT_EQ(image.warnings, std::vector<std::string>{});
  }
}

TEST(Create, TimesCountFrom2000) {
  const TempFolder folder;
  constexpr time_t kYear2000 = 946684800;
  const time_t before = ::time(nullptr) - kYear2000;
  const std::string parent = make_dynamic(folder.file("parent.vhd"));
  const std::string child = make_child(folder.file("child.vhd"), parent);
  const time_t after = ::time(nullptr) - kYear2000;
  ImageFile file(child);
  for (const uint32_t stamp : {file.get<Footer>(0).time_stamp.get(),
                               file.get<Footer>(file.size() - sizeof(Footer)).time_stamp.get(),
                               file.get<SparseHeader>(512).parent_time_stamp.get()}) {
    EXPECT_GE(time_t{stamp}, before);
    EXPECT_LE(time_t{stamp}, after);
  }
}

TEST(Create, ChildNamesItsParentAsWindowsDoes) {
  const TempFolder folder;
  const std::string parent = make_dynamic(folder.file("b\u00e4se one.vhd"));
  const auto link = open_image(make_child(folder.file("child.vhd"), parent), Access::kReadWrite);
  ASSERT_TRUE(link) << link.error().message;
  const Image& image = link->image;
  EXPECT_EQ(image.type, ImageType::kDifferencing);
  EXPECT_EQ(image.size_bytes, kTestSize);
  EXPECT_EQ(image.parent_name, "b\u00e4se one.vhd");
  ASSERT_EQ(image.locators.size(), 2u);
  EXPECT_EQ(image.locators[0].platform_code, kLocatorW2ku);
  EXPECT_EQ(image.locators[0].offset, 0x1000u);
  EXPECT_EQ(image.locators[1].platform_code, kLocatorW2ru);
  EXPECT_EQ(image.locators[1].path, ".\\b\u00e4se one.vhd");
  EXPECT_EQ(image.bat_offset, 0x2000u);
  EXPECT_EQ((image.footer_offset + image.bitmap_bytes) % kDataAlignment, 0u);
  EXPECT_EQ(image.parent_unique_id, open_image(parent, Access::kReadOnly)->image.unique_id);
}

TEST(Create, WrongSizesAreRefusedAndNothingIsLeft) {
  const TempFolder folder;
  const std::string path = folder.file("x.vhd");
  EXPECT_FALSE(create_dynamic(path, sized(0)));
  EXPECT_FALSE(create_dynamic(path, sized(1000)));
  EXPECT_FALSE(create_dynamic(path, sized(kMaxSparseSize + 512)));
  EXPECT_FALSE(create_fixed(path, sized(uint64_t{1} << 62)));  // more than a file may have
  CreateOptions odd = sized(1 << 20);
  odd.block_size = 3 << 20;
  EXPECT_FALSE(create_dynamic(path, odd));
  EXPECT_FALSE(create_differencing(path, folder.file("missing.vhd"), {}));
  EXPECT_EQ(file_count(folder), 0u);
}

TEST(Create, ExistingFileIsReplacedOnlyOnDemand) {
  const TempFolder folder;
  const std::string path = make_dynamic(folder.file("x.vhd"));
  const auto before = open_image(path, Access::kReadOnly)->image.unique_id;
  const auto refused = create_dynamic(path, sized(1 << 20));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kInvalidArgument);
  EXPECT_EQ(open_image(path, Access::kReadOnly)->image.unique_id, before);
  CreateOptions options = sized(1 << 20);
  options.replace = true;
  ASSERT_TRUE(create_dynamic(path, options));
  EXPECT_NE(open_image(path, Access::kReadOnly)->image.unique_id, before);
  EXPECT_EQ(file_count(folder), 1u);
}

TEST(Create, ChildIsNeverSmallerThanItsParent) {
  const TempFolder folder;
  const std::string parent = make_dynamic(folder.file("base.vhd"));
  EXPECT_FALSE(create_differencing(folder.file("a.vhd"), parent, sized(kTestSize - 512)));
  ASSERT_TRUE(create_differencing(folder.file("b.vhd"), parent, sized(kTestSize + 512)));
  const auto chain = open_chain(folder.file("b.vhd"), Access::kReadOnly);
  ASSERT_TRUE(chain) << chain.error().message;
  EXPECT_EQ((*chain)[0].image.size_bytes, kTestSize + 512);
}

}  // namespace
}  // namespace viridian::vhd
