// The blocks of a capture file, byte by byte: draft-ietf-opsawg-pcapng, sections 4.1 to 4.3.
#include "vswitch/control/pcapng.h"

#include <gtest/gtest.h>

#include <cstring>

namespace viridian::vswitch {
namespace {

uint32_t word(const std::string& bytes, size_t at) {
  uint32_t value = 0;
  std::memcpy(&value, bytes.data() + at, sizeof(value));
  return value;
}

// The types of all blocks, whose lengths must agree at both ends.
std::vector<uint32_t> blocks(const std::string& bytes) {
  std::vector<uint32_t> types;
  size_t at = 0;
  while (at < bytes.size()) {
    const uint32_t length = word(bytes, at + 4);
    EXPECT_EQ(length % 4, 0U);
    EXPECT_EQ(word(bytes, at + length - 4), length);
    types.push_back(word(bytes, at));
    at += length;
  }
  EXPECT_EQ(at, bytes.size());
  return types;
}

TEST(Pcapng, FileHasASectionAnInterfaceAndFrames) {
  PcapngWriter writer;
  EXPECT_FALSE(writer.knows(3));
  writer.add_interface(3, "nic0", 100);
  EXPECT_TRUE(writer.knows(3));
  const std::vector<std::byte> data(61, std::byte{0xAB});
  writer.add_frame({.time_ns = 0x1'0000'0002,
                    .frame_bytes = 1514,
                    .captured_bytes = 61,
                    .port = 3,
                    .event = CaptureEvent::kIn,
                    .reason = DropReason::kNone},
                   data, 0);
  const std::string& bytes = writer.bytes();
  EXPECT_EQ(blocks(bytes), (std::vector<uint32_t>{0x0A0D0D0A, 1, 6}));
  const size_t packet = word(bytes, 4) + word(bytes, word(bytes, 4) + 4);
  EXPECT_EQ(word(bytes, packet + 8), 0U);   // interface
  EXPECT_EQ(word(bytes, packet + 12), 1U);  // time, high half
  EXPECT_EQ(word(bytes, packet + 16), 2U);
  EXPECT_EQ(word(bytes, packet + 20), 61U);
  EXPECT_EQ(word(bytes, packet + 24), 1514U);
  EXPECT_EQ(word(bytes, packet + 28 + 64), 0x00040002U);  // its flags, four bytes
  EXPECT_EQ(word(bytes, packet + 28 + 68), 1U);           // inbound
}

TEST(Pcapng, DroppedFrameSaysWhyAndWhatWasMissedIsCounted) {
  PcapngWriter writer;
  writer.add_interface(0, "a", 100);
  writer.add_frame({.time_ns = 0,
                    .frame_bytes = 4,
                    .captured_bytes = 4,
                    .port = 0,
                    .event = CaptureEvent::kDropped,
                    .reason = DropReason::kAcl},
                   std::vector<std::byte>(4), 5);
  blocks(writer.bytes());
  EXPECT_NE(writer.bytes().find("dropped: acl (a rule of the port denies it)"), std::string::npos);
  EXPECT_NE(writer.bytes().find(std::string("\x04\x00\x08\x00\x05\x00", 6)), std::string::npos);
}

}  // namespace
}  // namespace viridian::vswitch
