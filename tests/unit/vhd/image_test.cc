#include "vhd/image.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/vhd/image_file.h"
#include "vhd/chain.h"

namespace viridian::vhd {
namespace {

Result<Image> load(const std::string& path, const OpenPolicy& policy = {}) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  return load_image(fd.get(), path, policy);
}

bool warns_of(const Image& image, std::string_view text) {
  return std::any_of(image.warnings.begin(), image.warnings.end(),
                     [&](const std::string& line) { return line.find(text) != std::string::npos; });
}

void set_creator(ImageFile& file, const Tag& tag, const Geometry& geometry) {
  file.change_footer([&](Footer& footer) {
    footer.creator_application = tag;
    footer.geometry = geometry;
  });
}

class Sizes : public testing::Test {
 protected:
  Sizes() : path_(make_dynamic(folder_.file("x.vhd"))), file_(path_) {}
  uint64_t size(SizeRule rule = SizeRule::kAuto) {
    OpenPolicy policy;
    policy.size_rule = rule;
    const auto image = load(path_, policy);
    EXPECT_TRUE(image) << image.error().message;
    return image ? image->size_bytes : 0;
  }
  TempFolder folder_;
  std::string path_;
  ImageFile file_;
};

constexpr uint64_t kProduct = 0x3c3ull * 5 * 17 * 512;  // of kTestSize's geometry: less

TEST_F(Sizes, GeometryCountsOnlyForWritersThatMeanIt) {
  for (const Tag& tag : {Tag{'v', 'p', 'c', ' '}, Tag{'q', 'e', 'm', 'u'}}) {
    set_creator(file_, tag, geometry_for(kTestSize));
    EXPECT_EQ(size(), kProduct);
  }
  for (const Tag& tag : {Tag{'v', 'b', 'o', 'x'}, Tag{'q', 'e', 'm', '2'}, Tag{'w', 'a'}, Tag{}}) {
    set_creator(file_, tag, geometry_for(kTestSize));
    EXPECT_EQ(size(), kTestSize);
  }
}

TEST_F(Sizes, LargestAndEmptyGeometryNeverCount) {
  for (const Geometry& geometry : {max_geometry(), Geometry{}}) {
    set_creator(file_, {'v', 'p', 'c', ' '}, geometry);
    EXPECT_EQ(size(), kTestSize);
  }
}

TEST_F(Sizes, CallerOverridesTheRule) {
  set_creator(file_, {'q', 'e', 'm', 'u'}, geometry_for(kTestSize));
  EXPECT_EQ(size(SizeRule::kCurrentSize), kTestSize);
  set_creator(file_, {'v', 'b', 'o', 'x'}, geometry_for(kTestSize));
  EXPECT_EQ(size(SizeRule::kGeometry), kProduct);
}

class Footers : public testing::Test {
 protected:
  Footers() : path_(make_dynamic(folder_.file("x.vhd"))), file_(path_) {}
  Image loaded() {
    auto image = load(path_);
    EXPECT_TRUE(image) << image.error().message;
    return image ? *image : Image{};
  }
  TempFolder folder_;
  std::string path_;
  ImageFile file_;
};

TEST_F(Footers, DamagedLastOneIsReplacedByItsCopyInItsPlace) {
  const uint64_t place = file_.size() - sizeof(Footer);
  std::array<std::byte, 512> poison;
  poison.fill(std::byte{0xc7});
  ASSERT_TRUE(write_exact(file_.view(), place, poison, "test"));
  Image image = loaded();
  EXPECT_TRUE(image.footers_damaged);
  EXPECT_FALSE(image.read_only);
  EXPECT_EQ(image.footer_offset, place);
  EXPECT_TRUE(warns_of(image, "in use by Xen"));

  Footer footer = image.footer;
  footer.checksum = 1;
  file_.put(place, footer);
  image = loaded();
  EXPECT_EQ(image.footer_offset, place);
  EXPECT_TRUE(warns_of(image, "checksum is 0x00000001"));

  // What a cut leaves that the file grew by: nothing of a footer, so its place is behind it.
  file_.put(place, std::array<std::byte, 512>{});
  image = loaded();
  EXPECT_EQ(image.footer_offset, place + sizeof(Footer));
  EXPECT_TRUE(image.footers_damaged);
  EXPECT_FALSE(image.read_only);
}

TEST_F(Footers, LastOneCutAtAnyByteIsReplacedByItsCopy) {
  const uint64_t place = file_.size() - sizeof(Footer);
  for (uint64_t left = 0; left < sizeof(Footer) - 1; ++left) {
    file_.resize(place + left);
    const Image image = loaded();
    EXPECT_TRUE(image.footers_damaged);
    EXPECT_EQ(image.footer_offset, left == 0 ? place : place + 512);
    EXPECT_EQ(image.size_bytes, kTestSize);
  }
}

TEST_F(Footers, OneWithoutItsLastByteIsValid) {
  file_.resize(file_.size() - 1);
  const Image image = loaded();
  EXPECT_EQ(image.footer_offset, file_.size() - 511);
  EXPECT_FALSE(image.footers_damaged);
}

TEST_F(Footers, BytesBehindTheLastOneStayWhereTheyAre) {
  file_.resize(file_.size() + 1000);
  const Image image = loaded();
  EXPECT_TRUE(image.footers_damaged);
  EXPECT_EQ(image.footer_offset, (file_.size() + 511) / 512 * 512);
}

TEST_F(Footers, DamagedCopyIsToBeRewritten) {
  file_.put(0, Cookie{});
  const Image image = loaded();
  EXPECT_TRUE(image.footers_damaged);
  EXPECT_FALSE(image.read_only);
  EXPECT_EQ(image.footer_offset, file_.size() - 512);
}

TEST_F(Footers, CopyOfAWrongChecksumIsToBeRewritten) {
  Footer footer = file_.get<Footer>(0);
  footer.checksum = footer.checksum ^ 1u;
  file_.put(0, footer);
  const Image image = loaded();
  EXPECT_TRUE(image.footers_damaged);
  EXPECT_FALSE(image.read_only);
}

TEST_F(Footers, EssentialDisagreementOpensForReadingOnly) {
  file_.change_copy([](Footer& footer) { footer.current_size = kTestSize / 2; });
  const Image image = loaded();
  EXPECT_TRUE(image.read_only);
  EXPECT_EQ(image.size_bytes, kTestSize);
  EXPECT_TRUE(warns_of(image, "current_size"));
  EXPECT_FALSE(open_image(path_, Access::kReadWrite));
  EXPECT_TRUE(open_image(path_, Access::kReadOnly));
}

// Whatever field the two footers differ in, either nobody writes and the field is named, or it has
// no effect.
TEST_F(Footers, DisagreementInAnyFieldIsNamedOrHarmless) {
  const Footer good = file_.get<Footer>(0);
  const std::string essential[] = {"disk_type", "current_size", "data_offset", "geometry",
                                   "unique_id"};
  size_t named = 0;
  for (size_t byte = 0; byte < sizeof(Footer); ++byte) {
    if (byte < sizeof(Cookie)) continue;  // without it, it is no footer
    SCOPED_TRACE(byte);
    Footer changed = good;
    const auto bytes = std::as_writable_bytes(std::span(&changed, 1));
    bytes[byte] ^= std::byte{1};
    seal(changed);
    file_.put(0, changed);
    const auto image = open_image(path_, Access::kReadWrite);
    if (image) {
      EXPECT_TRUE(image->image.footers_damaged || changed == good);
      EXPECT_EQ(image->image.footer, good);
      continue;
    }
    ++named;
    EXPECT_TRUE(std::any_of(std::begin(essential), std::end(essential), [&](const auto& field) {
      return image.error().message.find("footer: " + field) != std::string::npos;
    })) << image.error().message;
  }
  EXPECT_EQ(named, 4u + 8 + 8 + 4 + 16);  // the bytes of the essential fields
}

TEST_F(Footers, HarmlessDisagreementIsRewritten) {
  file_.change_copy([](Footer& footer) { footer.time_stamp = 1; });
  const Image image = loaded();
  EXPECT_TRUE(image.footers_damaged);
  EXPECT_FALSE(image.read_only);
}

TEST_F(Footers, XensHiddenFlagNeedsNoNewChecksum) {
  const uint64_t place = file_.size() - sizeof(Footer);
  for (uint64_t at : {uint64_t{0}, place}) {
    Footer footer = file_.get<Footer>(at);
    footer.reserved[0] = 1;
    file_.put(at, footer);
  }
  EXPECT_EQ(loaded().warnings, std::vector<std::string>{});
}

TEST(FixedFooter, HasNoCopyToFallBackOn) {
  const TempFolder folder;
  CreateOptions options;
  options.size_bytes = 1 << 20;
  ASSERT_TRUE(create_fixed(folder.file("x.vhd"), options));
  ImageFile file(folder.file("x.vhd"));
  // Sector 0 is the guest's: a footer there is data.
  const auto footer = file.get<Footer>(1 << 20);
  file.put(0, footer);
  EXPECT_TRUE(load(folder.file("x.vhd")));
  file.resize(1 << 20);
  EXPECT_FALSE(load(folder.file("x.vhd")));
}

TEST(Format, GoesByTheNameAndNeverByAGuestsBytes) {
  const TempFolder folder;
  make_dynamic(folder.file("disk.vhd"));
  std::filesystem::copy(folder.file("disk.vhd"), folder.file("disk.img"));
  EXPECT_FALSE(load(folder.file("disk.img")));
  OpenPolicy policy;
  policy.format = Format::kVhd;
  EXPECT_EQ(load(folder.file("disk.img"), policy)->type, ImageType::kDynamic);
  policy.format = Format::kRaw;
  EXPECT_EQ(load(folder.file("disk.img"), policy)->type, ImageType::kRaw);
  ImageFile file(folder.file("disk.img"));
  file.put(0, Footer{});
  file.resize(4096 + 100);
  const auto raw = load(folder.file("disk.img"));
  ASSERT_TRUE(raw) << raw.error().message;
  EXPECT_EQ(raw->type, ImageType::kRaw);
  EXPECT_EQ(raw->size_bytes, 4096u);
  EXPECT_TRUE(warns_of(*raw, "100 bytes"));
}

TEST(Blocks, ThatDoNotOverlapAreAccepted) {
  const TempFolder folder;
  const std::string path = make_dynamic(folder.file("x.vhd"));
  ImageFile file(path);
  for (uint32_t index : {7u, 0u, 19u})
    file.append_block(index);
  const auto image = load(path);
  ASSERT_TRUE(image) << image.error().message;
  EXPECT_EQ(image->bat[7] * 512ull, 0xe00u);
  EXPECT_EQ(image->bat[19] * 512ull, 0xe00 + 2 * (4096 + (2ull << 20)));
  EXPECT_EQ(image->bat[1], kUnusedEntry);
  EXPECT_EQ(image->data_end, image->bat[19] * 512ull + 512 + (2 << 20));
}

}  // namespace
}  // namespace viridian::vhd
