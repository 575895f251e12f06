#include "vhd/writer_profile.h"

#include <gtest/gtest.h>

#include "tests/unit/vhd/image_file.h"
#include "vhd/chain.h"
#include "vhd/limits.h"

namespace viridian::vhd {
namespace {

constexpr Compat kAll[] = {Compat::kOwn, Compat::kHyperV, Compat::kVpc2007,
                           Compat::kXen, Compat::kQemu9,  Compat::kAzure};
constexpr uint64_t kOdd = (40u << 20) + 512;

Image opened(const std::string& path) {
  auto link = open_image(path, Access::kReadWrite);
  EXPECT_TRUE(link) << link.error().message;
  return link ? std::move(link->image) : Image{};
}

TEST(WriterProfile, EveryReaderGetsAtLeastTheSizeAskedForAndWeReadTheSameSize) {
  const TempFolder folder;
  for (Compat compat : kAll) {
    CreateOptions options;
    options.compat = compat;
    const auto size = size_for(compat, kOdd);
    ASSERT_TRUE(size);
    EXPECT_GE(*size, kOdd);
    options.size_bytes = *size;
    const std::string path = folder.file(std::to_string(static_cast<int>(compat)) + ".vhd");
    ASSERT_TRUE(create_fixed(path, options));
    const Image image = opened(path);
    EXPECT_EQ(image.size_bytes, *size);
    EXPECT_EQ(image.warnings, std::vector<std::string>{});
  }
}

TEST(WriterProfile, VirtualPcsDiskHasTheSizeOfItsGeometry) {
  for (uint64_t asked : {uint64_t{3} << 20, kOdd, uint64_t{10} << 30, uint64_t{100} << 30}) {
    const auto size = size_for(Compat::kVpc2007, asked);
    ASSERT_TRUE(size);
    EXPECT_EQ(size_bytes(geometry_for(*size)), *size);
    EXPECT_LT(*size - asked, 2u << 20);
  }
  EXPECT_FALSE(size_for(Compat::kVpc2007, uint64_t{128} << 30));
}

TEST(WriterProfile, QemusAndOursGiveTheExactSizeWhicheverFieldIsRead) {
  for (Compat compat : {Compat::kOwn, Compat::kQemu9}) {
    const Footer footer = footer_for(compat, kDiskTypeDynamic, kOdd, {});
    EXPECT_EQ(footer.current_size.get(), kOdd);
    EXPECT_EQ(footer.geometry, max_geometry());
  }
}

TEST(WriterProfile, AzureTakesWholeMebibytesAndFixedImagesOnly) {
  const TempFolder folder;
  EXPECT_EQ(*size_for(Compat::kAzure, kOdd), 41u << 20);
  CreateOptions options;
  options.compat = Compat::kAzure;
  options.size_bytes = kOdd;
  EXPECT_FALSE(create_fixed(folder.file("x.vhd"), options));
  options.size_bytes = 41u << 20;
  EXPECT_FALSE(create_dynamic(folder.file("x.vhd"), options));
  EXPECT_TRUE(create_fixed(folder.file("x.vhd"), options));
}

TEST(WriterProfile, XensImagesHaveABlockMapBehindTheTable) {
  const TempFolder folder;
  CreateOptions options;
  options.compat = Compat::kXen;
  options.size_bytes = kOdd;
  ASSERT_TRUE(create_dynamic(folder.file("x.vhd"), options));
  const Image image = opened(folder.file("x.vhd"));
  ASSERT_TRUE(image.batmap);
  EXPECT_EQ(image.batmap->header_offset, image.bat_offset + 512);
  EXPECT_EQ(image.batmap->map_bytes, 512u);
}

TEST(WriterProfile, OtherReadersTakeBlocksOfTwoMebibytesOnly) {
  const TempFolder folder;
  CreateOptions options;
  options.size_bytes = kOdd;
  options.block_size = 512u << 10;
  EXPECT_TRUE(create_dynamic(folder.file("own.vhd"), options));
  options.compat = Compat::kHyperV;
  EXPECT_FALSE(create_dynamic(folder.file("hyperv.vhd"), options));
}

TEST(WriterProfile, ChildrenOfEveryWriterFindTheirParent) {
  const TempFolder folder;
  const std::string base = make_dynamic(folder.file("the base.vhd"));
  for (Compat compat : {Compat::kOwn, Compat::kHyperV, Compat::kXen, Compat::kQemu9}) {
    CreateOptions options;
    options.compat = compat;
    const std::string path = folder.file(std::to_string(static_cast<int>(compat)) + ".vhd");
    const auto made = create_differencing(path, base, options);
    ASSERT_TRUE(made) << made.error().message;
    const auto chain = open_chain(path, Access::kReadWrite);
    ASSERT_TRUE(chain) << chain.error().message;
    EXPECT_EQ(chain->size(), 2u);
    EXPECT_EQ(chain->front().image.locators.size(), compat == Compat::kXen ? 3u : 2u);
    EXPECT_EQ(chain->front().image.warnings, std::vector<std::string>{});
  }
}

}  // namespace
}  // namespace viridian::vhd
