#include "tests/unit/nic-21140/nic_fixture.h"

namespace viridian::tulip {
namespace {

using ProbeTest = NicTest;

Bytes read_all(FakeTulip& guest) {
  Bytes bytes;
  for (unsigned word = 0; word < kSromWords; ++word) {
    const uint16_t value = guest.read_srom(word);
    bytes.push_back(static_cast<std::byte>(value));
    bytes.push_back(static_cast<std::byte>(value >> 8));
  }
  return bytes;
}
unsigned at(const Bytes& bytes, size_t offset) { return std::to_integer<unsigned>(bytes[offset]); }

TEST_F(ProbeTest, TheDriverFindsSixAddressBits) { EXPECT_EQ(guest_.srom_address_bits(), 6u); }

TEST_F(ProbeTest, TheSerialRomHoldsTheAddressAndAMediaTableWithOneMiiPhy) {
  const Bytes rom = read_all(guest_);
  for (unsigned i = 0; i < 6; ++i)
    EXPECT_EQ(at(rom, 20 + i), kMac[i]);
  EXPECT_NE(std::memcmp(&rom[0], &rom[16], 8), 0) << "an old layout, to the driver";
  EXPECT_EQ(at(rom, 18), 3u);
  EXPECT_EQ(at(rom, 19), 1u);
  const unsigned leaf = at(rom, 27);
  EXPECT_EQ(leaf, 0x1Eu);
  EXPECT_EQ(at(rom, leaf) | at(rom, leaf + 1) << 8, 0x0800u);  // autosense
  EXPECT_EQ(at(rom, leaf + 3), 1u);
  EXPECT_EQ(at(rom, leaf + 4), 0x8Cu);  // extended, twelve bytes more
  EXPECT_EQ(at(rom, leaf + 5), 1u);     // MII
  EXPECT_EQ(at(rom, leaf + 9) | at(rom, leaf + 10) << 8, 0x7800u);
}

// The recipes of the format's specification, bit by bit.
TEST_F(ProbeTest, TheSerialRomsChecksumsAreRight) {
  const Bytes rom = read_all(guest_);
  uint32_t crc = ~0u;
  for (unsigned i = 0; i < 126; ++i) {
    for (unsigned bit = 0; bit < 8; ++bit)
      crc = (crc >> 1) ^ (((crc ^ at(rom, i) >> bit) & 1) != 0 ? 0xEDB88320 : 0);
  }
  EXPECT_EQ(at(rom, 126) | at(rom, 127) << 8, ~crc & 0xFFFF);
  unsigned id = 0xFF;
  for (unsigned word = 0; word <= 8; ++word) {
    const unsigned value = at(rom, 2 * word) | at(rom, 2 * word + 1) << 8;
    for (int bit = 15; bit >= (word == 8 ? 8 : 0); --bit)
      id = (id << 1 & 0xFF) ^ (((value >> bit ^ id >> 7) & 1) != 0 ? 7 : 0);
  }
  EXPECT_EQ(at(rom, 16), id);
}

TEST_F(ProbeTest, AReadThatGoesOnYieldsTheNextWords) {
  const uint16_t next = guest_.read_srom(11);
  guest_.srom_bits(10, 6);  // deselects at its end
  // The same by hand, without the deselect.
  guest_.out(9, 0x4801);
  for (const unsigned bit : {1U, 1U, 0U, 0U, 0U, 1U, 0U, 1U, 0U}) {
    guest_.out(9, 0x4801 | bit << 2);
    guest_.out(9, 0x4803 | bit << 2);
  }
  uint32_t bits = 0;
  for (int i = 0; i < 32; ++i) {
    guest_.out(9, 0x4801);
    guest_.out(9, 0x4803);
    bits = bits << 1 | (guest_.in(9) >> 3 & 1);
  }
  EXPECT_EQ(bits & 0xFFFF, next);
}

TEST_F(ProbeTest, CommandsThatWouldWriteTheRomDoNothing) {
  const uint16_t before = guest_.read_srom(0);
  guest_.out(9, 0x4800);
  for (const unsigned bits : {0x130u, 0x140u}) {  // write enable; write to word 0
    guest_.out(9, 0x4801);
    for (int i = 8; i >= 0; --i) {
      guest_.out(9, 0x4801 | (bits >> i & 1) << 2);
      guest_.out(9, 0x4803 | (bits >> i & 1) << 2);
    }
    for (int i = 0; i < 16; ++i) {
      guest_.out(9, 0x4805);
      guest_.out(9, 0x4807);
    }
    guest_.out(9, 0x4800);
  }
  EXPECT_EQ(guest_.read_srom(0), before);
}

TEST_F(ProbeTest, OnePhyAnswersAndItsLinkIsUp) {
  for (unsigned phy = 0; phy < 32; ++phy) {
    const uint16_t status = guest_.read_phy(phy, 1);
    EXPECT_EQ(status, phy == kPhyAddress ? 0x782D : 0xFFFF) << phy;
  }
  EXPECT_EQ(guest_.read_phy(kPhyAddress, 0), 0x3100);
  EXPECT_EQ(guest_.read_phy(kPhyAddress, 4), 0x01E1);
  EXPECT_EQ(guest_.read_phy(kPhyAddress, 5), 0x41E1);
}

TEST_F(ProbeTest, ThePhysWritableRegistersKeepWhatIsWritten) {
  guest_.write_phy(kPhyAddress, 4, 0x0061);
  EXPECT_EQ(guest_.read_phy(kPhyAddress, 4), 0x0061);
  guest_.write_phy(kPhyAddress, 0, 0x1200);  // restart the negotiation: over at once
  EXPECT_EQ(guest_.read_phy(kPhyAddress, 0), 0x1000);
  guest_.write_phy(kPhyAddress, 1, 0);
  EXPECT_EQ(guest_.read_phy(kPhyAddress, 1), 0x782D);
  guest_.write_phy(5, 0, 0x8000);  // another's reset
  EXPECT_EQ(guest_.read_phy(kPhyAddress, 4), 0x0061);
  guest_.write_phy(kPhyAddress, 0, 0x8000);
  EXPECT_EQ(guest_.read_phy(kPhyAddress, 0), 0x3100);
  EXPECT_EQ(guest_.read_phy(kPhyAddress, 4), 0x01E1);
}

TEST_F(ProbeTest, ALostLinkIsSeenOnceMoreAfterItCameBack) {
  nic_->set_link(false);
  EXPECT_EQ(guest_.read_phy(kPhyAddress, 1) & 4, 0);
  EXPECT_EQ(guest_.read_phy(kPhyAddress, 5), 0);
  guest_.read_phy(kPhyAddress, 1);
  nic_->set_link(true);
  nic_->set_link(false);
  nic_->set_link(true);
  EXPECT_EQ(guest_.read_phy(kPhyAddress, 1) & 4, 0);
  EXPECT_EQ(guest_.read_phy(kPhyAddress, 1) & 4, 4);
}

TEST_F(ProbeTest, EachNicHasAPhyOfItsOwn) {
  TestLine line;
  auto other = std::move(*Nic::create(*reactor_, memory_, line, shared_pool(), {.mac = kOther}));
  FakeTulip second(*other, memory_);
  guest_.write_phy(kPhyAddress, 4, 0x0021);
  EXPECT_EQ(second.read_phy(kPhyAddress, 4), 0x01E1);
  EXPECT_EQ(second.read_srom(10), kOther[0] | kOther[1] << 8);
  EXPECT_EQ(guest_.read_srom(10), kMac[0] | kMac[1] << 8);
}

}  // namespace
}  // namespace viridian::tulip
