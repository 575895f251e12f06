#include "vmm-minimal/bzimage.h"

#include <gtest/gtest.h>

#include "tests/unit/vmm-minimal/made_up_bzimage.h"

namespace viridian::vmm {
namespace {

std::string error_of(const std::vector<std::byte>& file) {
  const auto image = parse_bzimage("vmlinuz", file, file.size());
  return image ? "" : image.error().message;
}

template <class Spoil>
std::string error_with(Spoil spoil) {
  MadeUpBzImage image;
  spoil(image.header);
  return error_of(image.bytes());
}

TEST(BzImage, GoodHeaderGivesThePlacesOfTheKernel) {
  const auto file = MadeUpBzImage().bytes();
  const auto image = parse_bzimage("vmlinuz", file, file.size());
  ASSERT_TRUE(image) << image.error().message;
  EXPECT_EQ(image->kernel_offset, 1024u);
  EXPECT_EQ(image->kernel_bytes, MadeUpBzImage::kKernelBytes);
  EXPECT_EQ(image->load_address, 0x10'0000u);
}

TEST(BzImage, SetupSectorsOfZeroMeanFour) {
  MadeUpBzImage made;
  made.header.setup_sects = 0;
  const auto file = made.bytes();
  const auto image = parse_bzimage("vmlinuz", file, 64 << 10);
  ASSERT_TRUE(image) << image.error().message;
  EXPECT_EQ(image->kernel_offset, 5 * 512u);
}

TEST(BzImage, EveryShorterHeadIsRefusedByName) {
  const auto file = MadeUpBzImage().bytes();
  for (size_t length = 0; length < 0x26C; ++length) {
    const auto image = parse_bzimage("vmlinuz", std::span(file).first(length), length);
    ASSERT_FALSE(image) << length;
    EXPECT_TRUE(image.error().message.starts_with("vmlinuz: ")) << image.error().message;
  }
}

TEST(BzImage, EachBadFieldIsNamed) {
  using Header = linux_boot::SetupHeader;
  EXPECT_NE(error_with([](Header& h) { h.boot_flag = 0; }).find("boot_flag"), std::string::npos);
  EXPECT_NE(error_with([](Header& h) { h.header = 1; }).find("header"), std::string::npos);
  EXPECT_NE(error_with([](Header& h) { h.version = 0x020B; }).find("version is 2.11"),
            std::string::npos);
  EXPECT_NE(error_with([](Header& h) { h.loadflags = 0; }).find("loadflags"), std::string::npos);
  EXPECT_NE(error_with([](Header& h) { h.xloadflags = 0; }).find("xloadflags"), std::string::npos);
  EXPECT_NE(error_with([](Header& h) { h.setup_sects = 200; }).find("setup_sects"),
            std::string::npos);
  EXPECT_NE(error_with([](Header& h) { h.syssize = 0x1000; }).find("syssize"), std::string::npos);
  EXPECT_NE(error_with([](Header& h) { h.pref_address = 0x1000; }).find("pref_address"),
            std::string::npos);
  EXPECT_NE(error_with([](Header& h) { h.pref_address = ~uint64_t{0}; }).find("pref_address"),
            std::string::npos);
  EXPECT_NE(error_with([](Header& h) { h.init_size = 16; }).find("init_size"), std::string::npos);
}

}  // namespace
}  // namespace viridian::vmm
