// Images that Windows, VirtualBox, XenServer and QEMU wrote, which come with the reference and not
// with the project: each test says that it skips where they are not there.
#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/unit/vhd/image_file.h"
#include "vhd/chain.h"

namespace viridian::vhd {
namespace {

class Samples : public testing::Test {
 protected:
  // The path of a sample, unpacked if it has to be; empty, and the test skipped, without it.
  std::string sample(const std::string& name) {
    const std::string path = std::string(VIRIDIAN_VHD_SAMPLES) + "/" + name;
    if (std::filesystem::exists(path)) return path;
    const std::string packed = path + ".xz";
    if (!std::filesystem::exists(packed)) return {};
    const std::string unpacked = folder_.file(std::filesystem::path(name).filename().string());
    const std::string command = "xz -dc '" + packed + "' > '" + unpacked + "'";
    return std::system(command.c_str()) == 0 ? unpacked : std::string{};
  }
  TempFolder folder_;
};

#define REQUIRE_SAMPLE(path) \
  if ((path).empty()) GTEST_SKIP() << "missing: " << VIRIDIAN_VHD_SAMPLES << " or xz"

Footer read_footer(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  const auto footer = read_struct<Footer>(*view_file(fd.get(), path), 0, "footer");
  EXPECT_TRUE(footer) << footer.error().message;
  return footer ? *footer : Footer{};
}

struct Expected {
  const char* name;
  ImageType type;
  uint64_t size_bytes;
  size_t allocated_blocks;
};

TEST_F(Samples, OfEveryWriterOpenAtTheirFullSize) {
  for (const Expected& one : {
           Expected{"go-vhd/qemu.vhd", ImageType::kDynamic, 41953280, 0},
           Expected{"go-vhd/vbox.vhd", ImageType::kDynamic, 41943040, 0},
           Expected{"go-vhd/win8.vhd", ImageType::kDynamic, 41943040, 0},
           Expected{"go-vhd/win8.1-1GB.vhd", ImageType::kDynamic, 1 << 30, 0},
           Expected{"go-vhd/win8-child.vhd", ImageType::kDifferencing, 41943040, 0},
           Expected{"go-vhd/xapi.vhd", ImageType::kDynamic, 41943040, 0},
           Expected{"dfvfs/ext2.vhd", ImageType::kDynamic, 4212736, 1},
           Expected{"dfvfs/fat-differential.vhd", ImageType::kDifferencing, 4 << 20, 1},
       }) {
    const std::string path = sample(one.name);
    REQUIRE_SAMPLE(path);
    const auto link = open_image(path, Access::kReadOnly);
    ASSERT_TRUE(link) << link.error().message;
    const Image& image = link->image;
    EXPECT_EQ(image.type, one.type) << one.name;
    EXPECT_EQ(image.size_bytes, one.size_bytes) << one.name;
    EXPECT_EQ(image.warnings, std::vector<std::string>{}) << one.name;
    EXPECT_FALSE(image.read_only);
    size_t allocated = 0;
    for (uint32_t sector : image.bat)
      allocated += sector != kUnusedEntry;
    EXPECT_EQ(allocated, one.allocated_blocks) << one.name;
  }
}

TEST_F(Samples, WithABadChecksumAreRefusedForIt) {
  for (const char* name : {"dfvfs/image.vhd", "dfvfs/image-differential.vhd"}) {
    const std::string path = sample(name);
    REQUIRE_SAMPLE(path);
    const auto link = open_image(path, Access::kReadOnly);
    ASSERT_FALSE(link);
    EXPECT_EQ(link.error().kind, ErrorKind::kCorrupt);
    EXPECT_NE(link.error().message.find("checksum"), std::string::npos) << link.error().message;
  }
}

TEST_F(Samples, Windows10ChildOpensThroughItsRelativeLocator) {
  const std::string path = sample("go-vhd/win8-child.vhd");
  REQUIRE_SAMPLE(path);
  const auto chain = open_chain(path, Access::kReadOnly);
  ASSERT_TRUE(chain) << chain.error().message;
  ASSERT_EQ(chain->size(), 2u);
  EXPECT_TRUE(chain->back().path.ends_with("win8.vhd"));
  const Image& child = chain->front().image;
  EXPECT_EQ(child.parent_name, "C:\\Users\\sergi\\Downloads\\win8.vhd");
  ASSERT_EQ(child.locators.size(), 2u);
  EXPECT_EQ(child.locators[1].platform_code, kLocatorW2ru);
  EXPECT_EQ(child.locators[1].path, ".\\win8.vhd");
  EXPECT_EQ(child.data_end, 0x13000u);  // with the room that Windows keeps for the locator
  EXPECT_EQ(child.warnings, std::vector<std::string>{});
}

TEST_F(Samples, ChildWithoutItsParentSaysWhatIsMissing) {
  const std::string path = sample("dfvfs/fat-differential.vhd");
  REQUIRE_SAMPLE(path);
  const auto chain = open_chain(path, Access::kReadOnly);
  ASSERT_FALSE(chain);
  EXPECT_EQ(chain.error().kind, ErrorKind::kNotFound);
  EXPECT_NE(chain.error().message.find("fat-parent.vhd"), std::string::npos);
}

TEST_F(Samples, XensBlockMapIsFound) {
  const std::string path = sample("go-vhd/xapi.vhd");
  REQUIRE_SAMPLE(path);
  const auto reading = open_image(path, Access::kReadOnly);
  ASSERT_TRUE(reading) << reading.error().message;
  ASSERT_TRUE(reading->image.batmap);
  EXPECT_EQ(reading->image.batmap->header_offset, 0x800u);
  EXPECT_EQ(reading->image.batmap->map_offset, 0xa00u);
  EXPECT_EQ(reading->image.data_end, 0xc00u);
}

TEST_F(Samples, FootersAddUpExceptTheBadOne) {
  for (int number = 1; number <= 6; ++number) {
    const std::string path = sample(fmt::format("vhdattach/VhdFooter_Parse{}.footer", number));
    REQUIRE_SAMPLE(path);
    const Footer footer = read_footer(path);
    EXPECT_EQ(compute_checksum(footer), footer.checksum.get()) << path;
    EXPECT_EQ(geometry_for(footer.current_size), footer.geometry) << path;
  }
  const Footer bad = read_footer(sample("vhdattach/VhdFooter_ParseInvalid1.footer"));
  EXPECT_NE(compute_checksum(bad), bad.checksum.get());
}

}  // namespace
}  // namespace viridian::vhd
