#include "base/endian.h"

#include <gtest/gtest.h>

namespace viridian {
namespace {

struct Mixed {
  be32 big;
  le16 little;
};
static_assert(WireStruct<Mixed> && sizeof(Mixed) == 6);

TEST(Endian, BigAndLittleEndianFieldsHaveTheirBytesInWireOrder) {
  const Mixed mixed{.big = 0x01020304, .little = 0x0506};
  const auto bytes = wire_bytes(mixed);
  const std::array<uint8_t, 6> expected = {1, 2, 3, 4, 6, 5};
  for (size_t i = 0; i < expected.size(); ++i)
    EXPECT_EQ(std::to_integer<int>(bytes[i]), expected[i]);
}

TEST(Endian, ReadWireTakesTheLastBytesAndRefusesOneBeyond) {
  std::array<std::byte, 8> bytes{};
  EXPECT_TRUE(read_wire<le32>(bytes, 4).has_value());
  EXPECT_FALSE(read_wire<le32>(bytes, 5).has_value());
  EXPECT_FALSE(read_wire<le32>(bytes, SIZE_MAX).has_value());
}

TEST(Endian, WriteWireThatWouldNotFitWritesNothing) {
  std::array<std::byte, 4> bytes{};
  EXPECT_FALSE(write_wire(std::span<std::byte>(bytes), le32(~0u), 1));
  for (std::byte byte : bytes)
    EXPECT_EQ(byte, std::byte{0});
}

}  // namespace
}  // namespace viridian
