// Configuration mechanism 1 and BARs that move, seen from the guest's side of the I/O bus.
#include "vmm-minimal/pci_bus.h"

#include <gtest/gtest.h>

#include <cstring>

#include "tests/unit/vmm-minimal/fake_pci_function.h"
#include "tests/unit/vmm-minimal/fakes.h"
#include "vmm-minimal/legacy_ports.h"
#include "vmm-minimal/pci_bridges.h"

namespace viridian::vmm {
namespace {

class PciBusTest : public testing::Test {
 protected:
  void SetUp() override {
    auto created = PciBus::create(io);
    ASSERT_TRUE(created);
    bus = std::move(*created);
    ASSERT_TRUE(bus->add(0, 0, "host", host));
    ASSERT_TRUE(bus->add(1, 0, "isa", isa));
    ASSERT_TRUE(bus->add(5, 0, "probe", probe));
  }
  uint32_t in(uint16_t port, unsigned width = 4) {
    uint32_t value = 0;
    std::byte bytes[4] = {};
    io.port_read(port, width, std::span(bytes).first(width));
    std::memcpy(&value, bytes, 4);
    return value;
  }
  void out(uint16_t port, uint32_t value, unsigned width = 4) {
    std::byte bytes[4];
    std::memcpy(bytes, &value, 4);
    io.port_write(port, width, std::span<const std::byte>(bytes).first(width));
  }
  static uint32_t address(unsigned device, unsigned function, unsigned reg) {
    return 0x80000000 | device << 11 | function << 8 | reg;
  }
  uint32_t config(unsigned device, unsigned reg, unsigned width = 4) {
    out(0xCF8, address(device, 0, reg & ~3u));
    return in(static_cast<uint16_t>(0xCFC + reg % 4), width);
  }
  void config_out(unsigned device, unsigned reg, uint32_t value, unsigned width = 4) {
    out(0xCF8, address(device, 0, reg & ~3u));
    out(static_cast<uint16_t>(0xCFC + reg % 4), value, width);
  }
  uint32_t load(uint64_t at) {
    uint32_t value = 0;
    std::byte bytes[4];
    io.mmio_read(at, bytes);
    std::memcpy(&value, bytes, 4);
    return value;
  }

  IoBus io;
  StaticFunction host{kHostBridge}, isa{kIsaBridge};
  FakePciFunction probe;
  std::unique_ptr<PciBus> bus;
};

TEST_F(PciBusTest, LinuxFindsMechanismOne) {
  out(0xCFB, 1, 1);
  const uint32_t before = in(0xCF8);
  out(0xCF8, 0x80000000);
  EXPECT_EQ(in(0xCF8), 0x80000000u);
  out(0xCF8, before);
  EXPECT_EQ(in(0xCF8), 0u);
}

TEST_F(PciBusTest, TheBridgesAreThoseOfTheChipset) {
  EXPECT_EQ(config(0, 0), 0x12378086u);
  EXPECT_EQ(config(0, 0xA, 2), 0x0600u);
  EXPECT_EQ(config(1, 0), 0x71108086u);
  EXPECT_EQ(config(1, 0xA, 2), 0x0601u);
  EXPECT_EQ(config(1, 0xE, 1), 0x80u);
}

TEST_F(PciBusTest, ByteLanesSelectWithinTheRegister) {
  EXPECT_EQ(config(5, 0, 2), 0x1234u);
  EXPECT_EQ(config(5, 2, 2), 0x5678u);
  EXPECT_EQ(config(5, 1, 1), 0x12u);
  config_out(5, 0x3C, 0xAB, 1);
  EXPECT_EQ(config(5, 0x3C), 0x01ABu);
  config_out(5, 0x3D, 0x77, 1);  // the pin is read only
  EXPECT_EQ(config(5, 0x3C), 0x01ABu);
}

TEST_F(PciBusTest, AnAccessAcrossTheRegistersEndDoesNothing) {
  out(0xCF8, address(5, 0, 0x3C));
  out(0xCFF, 0xFFFFFFFF, 4);
  out(0xCFF, 0xFFFF, 2);
  EXPECT_EQ(config(5, 0x3C), 0x0100u);
  EXPECT_EQ(in(0xCFF, 2), 0xFFFFu);
}

TEST_F(PciBusTest, PlacesWithoutAFunctionReadAsOnes) {
  EXPECT_EQ(config(3, 0), ~0u);
  out(0xCF8, address(5, 1, 0));
  EXPECT_EQ(in(0xCFC), ~0u);
  out(0xCF8, 0x80010000);  // bus 1
  EXPECT_EQ(in(0xCFC), ~0u);
  out(0xCF8, address(5, 0, 0) & 0x7FFFFFFF);  // not enabled
  EXPECT_EQ(in(0xCFC), ~0u);
  EXPECT_EQ(in(0xCFC, 1), 0xFFu);
}

TEST_F(PciBusTest, TheResetRegisterIsNotTheBuses) {
  FakePower power;
  LegacyPorts legacy(power);
  ASSERT_TRUE(io.add("legacy", legacy));
  out(0xCF8, address(5, 0, 0));
  out(0xCF9, 6, 1);
  EXPECT_EQ(power.reason(), StopReason::kReset);
  EXPECT_EQ(in(0xCF8), address(5, 0, 0));
}

TEST_F(PciBusTest, AnIoBarAnswersOnlyWhenDecodingIsOn) {
  config_out(5, 0x10, 0xC100);
  EXPECT_EQ(in(0xC104), ~0u);
  config_out(5, 4, pci::command::kIoSpace, 2);
  EXPECT_EQ(in(0xC104), 0x0404u);
  EXPECT_EQ(in(0xC10E, 2), 0x0E02u);
  EXPECT_EQ(in(0xC110), ~0u);
  EXPECT_EQ(in(0xC10E), ~0u);  // over the end
  config_out(5, 4, 0, 2);
  EXPECT_EQ(in(0xC104), ~0u);
  EXPECT_TRUE(probe.held);
}

TEST_F(PciBusTest, AnIoBarMoves) {
  config_out(5, 4, pci::command::kIoSpace, 2);
  config_out(5, 0x10, 0xC100);
  config_out(5, 0x10, 0xD200);
  EXPECT_EQ(in(0xC104), ~0u);
  out(0xD208, 0x1122);
  EXPECT_EQ(probe.last_offset, 8u);
  EXPECT_EQ(probe.last_value, 0x1122u);
}

TEST_F(PciBusTest, SizingABarAnswersNowhereElse) {
  config_out(5, 4, pci::command::kIoSpace | pci::command::kMemorySpace, 2);
  config_out(5, 0x10, 0xC100);
  config_out(5, 0x10, ~0u);
  EXPECT_EQ(config(5, 0x10), 0xFFFFFFF1u);
  EXPECT_EQ(in(0xC104), ~0u);
  EXPECT_EQ(in(0xFFF4), ~0u);
  config_out(5, 0x10, 0xC100);
  EXPECT_EQ(in(0xC104), 0x0404u);
}

TEST_F(PciBusTest, ABarCannotCoverAFixedPort) {
  config_out(5, 4, pci::command::kIoSpace, 2);
  config_out(5, 0x10, 0xCF0);  // CF0h-CFFh
  EXPECT_EQ(config(0, 0), 0x12378086u);
  EXPECT_EQ(in(0xCF4), 0x0404u);
}

TEST_F(PciBusTest, AMemoryBarAnswersInItsWindow) {
  config_out(5, 0x14, 0xD0000000);
  config_out(5, 4, pci::command::kMemorySpace, 2);
  EXPECT_EQ(load(0xD0000010), 0x11004u);
  EXPECT_EQ(load(0xD0000FFC), (0x10000u | 0xFFCu << 8 | 4u));
  EXPECT_EQ(load(0xD0001000), ~0u);
  EXPECT_EQ(load(0xCFFFFFFC), ~0u);
  config_out(5, 0x14, 0xE0000000);
  EXPECT_EQ(load(0xD0000010), ~0u);
  const uint32_t value = 0x55;
  std::byte bytes[4];
  std::memcpy(bytes, &value, 4);
  io.mmio_write(0xE0000020, bytes);
  EXPECT_EQ(probe.last_bar, 1u);
  EXPECT_EQ(probe.last_offset, 0x20u);
  EXPECT_EQ(probe.last_value, 0x55u);
  EXPECT_TRUE(probe.held);
}

TEST_F(PciBusTest, EightBytesAreTwoTimesFour) {
  config_out(5, 0x14, 0xD0000000);
  config_out(5, 4, pci::command::kMemorySpace, 2);
  std::byte bytes[8] = {};
  io.mmio_write(0xD0000008, bytes);
  EXPECT_EQ(probe.writes, 2u);
  EXPECT_EQ(probe.last_offset, 0xCu);
  // At the window's last bytes the second half is nowhere, and harmless.
  io.mmio_write(0xFEBFFFF8, bytes);
  io.mmio_read(0xFEBFFFFC, bytes);
}

TEST_F(PciBusTest, ResourcesAreAssignedAsFirmwareWould) {
  bus->assign_resources();
  EXPECT_EQ(config(5, 0x10), 0xC001u);
  EXPECT_EQ(config(5, 0x14), 0xC0000000u);
  EXPECT_EQ(config(5, 4, 2), 7u);
  EXPECT_EQ(config(5, 0x3C, 1), PciBus::gsi_of(5, 1));
  EXPECT_EQ(config(0, 4, 2), 0u);  // nothing to decode
  EXPECT_EQ(in(0xC000), 0x0004u);
  EXPECT_EQ(load(0xC0000000), 0x10004u);
}

TEST_F(PciBusTest, ResetTakesTheBarsAway) {
  bus->assign_resources();
  bus->reset();
  EXPECT_EQ(probe.resets, 1u);
  EXPECT_EQ(in(0xCF8), 0u);
  EXPECT_EQ(in(0xC000), ~0u);
  EXPECT_EQ(load(0xC0000000), ~0u);
  EXPECT_EQ(config(5, 0x10), 1u);
}

TEST_F(PciBusTest, APlaceIsTakenOnce) {
  FakePciFunction other;
  EXPECT_FALSE(bus->add(5, 0, "other", other));
  EXPECT_FALSE(bus->add(32, 0, "other", other));
  EXPECT_FALSE(bus->add(0, 8, "other", other));
}

}  // namespace
}  // namespace viridian::vmm
