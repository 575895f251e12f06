#include "base/guid.h"

#include <gtest/gtest.h>

namespace viridian {
namespace {

TEST(Guid, FirstThreeGroupsAreLittleEndianAndTheRestAsPrinted) {
  constexpr Guid kGuid = "00112233-4455-6677-8899-aabbccddeeff"_guid;
  const std::array<uint8_t, 16> expected = {0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66,
                                            0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff};
  EXPECT_EQ(kGuid.bytes, expected);
}

TEST(Guid, TextSurvivesParsingAndPrinting) {
  const std::string text = "f8615163-df3e-46c5-913f-f2d2f965ed0e";
  const auto guid = parse_guid(text);
  ASSERT_TRUE(guid.has_value());
  EXPECT_EQ(to_string(*guid), text);
}

TEST(Guid, AnythingButAGuidIsRefused) {
  for (const char* text :
       {"", "f8615163", "f8615163-df3e-46c5-913f-f2d2f965ed0",
        "f8615163-df3e-46c5-913f-f2d2f965ed0ee", "f8615163xdf3e-46c5-913f-f2d2f965ed0e",
        "g8615163-df3e-46c5-913f-f2d2f965ed0e"}) {
    EXPECT_FALSE(parse_guid(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace viridian
