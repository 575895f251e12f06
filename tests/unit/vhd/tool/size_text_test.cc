#include "vhd/tool/size_text.h"

#include <gtest/gtest.h>

namespace viridian::vhd::tool {
namespace {

TEST(SizeText, UnitsArePowersOf1024) {
  EXPECT_EQ(*parse_size("0"), 0u);
  EXPECT_EQ(*parse_size("4096"), 4096u);
  EXPECT_EQ(*parse_size("3k"), 3072u);
  EXPECT_EQ(*parse_size("40M"), 40u << 20);
  EXPECT_EQ(*parse_size("2GiB"), 2ull << 30);
  EXPECT_EQ(*parse_size("2T"), 2ull << 40);
}

TEST(SizeText, AnythingElseIsRefused) {
  for (const char* text : {"", "M", "-1", "1.5G", "10Q", "10 M", "10MB", "10iB", "1Mx",
                           "18446744073709551616", "18446744073709551615K"}) {
    EXPECT_FALSE(parse_size(text)) << text;
  }
}

TEST(SizeText, IsWrittenInTheLargestUnit) {
  EXPECT_EQ(size_text(512), "512 bytes");
  EXPECT_EQ(size_text(1536), "1.5 KiB");
  EXPECT_EQ(size_text(20ull << 30), "20 GiB");
}

}  // namespace
}  // namespace viridian::vhd::tool
