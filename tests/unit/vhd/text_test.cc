#include "vhd/text.h"

#include <gtest/gtest.h>

namespace viridian::vhd {
namespace {

TEST(Text, EveryUtf16SurvivesTheWayThere) {
  const std::vector<uint16_t> units = {'a', 0xe9, 0x20ac, 0xd83d, 0xde00, 0xffff};
  const std::string text = utf8_from_utf16(units);
  EXPECT_EQ(text, "a\u00e9\u20ac\U0001f600\uffff");
  EXPECT_EQ(utf16_from_utf8(text), units);
}

TEST(Text, UnpairedSurrogatesSurvive) {
  for (const std::vector<uint16_t>& units :
       {std::vector<uint16_t>{0xd83d}, {0xde00}, {0xde00, 0xd83d}, {0xd83d, 'x'}, {'x', 0xd83d}}) {
    EXPECT_EQ(utf16_from_utf8(utf8_from_utf16(units)), units);
  }
}

TEST(Text, MalformedUtf8IsRefused) {
  for (const char* text : {"\x80", "\xc0\x80", "\xc3", "\xe0\x80\x80", "\xf4\x90\x80\x80",
                           "\xf5\x80\x80\x80", "\xff", "a\xe2\x82"}) {
    EXPECT_EQ(utf16_from_utf8(text), std::nullopt) << quote(text);
  }
}

TEST(Text, NoByteOfAnImageReachesATerminalAsItIs) {
  EXPECT_EQ(quote("win8.vhd"), "'win8.vhd'");
  EXPECT_EQ(quote("h\u00e9"), "'h\u00e9'");
  EXPECT_EQ(quote("\x1b[2J\n"), "'\\x1b[2J\\x0a'");
  EXPECT_EQ(quote("\xff"), "'\\xff'");
  EXPECT_EQ(quote("\u202e"), "'\\xe2\\x80\\xae'");  // turns the rest of the line around
}

}  // namespace
}  // namespace viridian::vhd
