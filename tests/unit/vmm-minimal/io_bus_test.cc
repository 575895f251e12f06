#include "vmm-minimal/io_bus.h"

#include <gtest/gtest.h>

#include <cstring>

namespace viridian::vmm {
namespace {

class Ports final : public pci::PortDevice {
 public:
  explicit Ports(std::vector<pci::PortRange> ranges) : ranges_(std::move(ranges)) {}
  std::span<const pci::PortRange> port_ranges() const noexcept override { return ranges_; }
  pci::Gate& gate() noexcept override { return gate_; }
  uint32_t port_read(uint16_t port, unsigned width) noexcept override {
    last_width = width;
    gate_was_held = !gate_.try_lock();
    return 0xA000'0000u | port;
  }
  void port_write(uint16_t port, unsigned, uint32_t value) noexcept override {
    last_port = port;
    last_value = value;
    ++writes;
  }

  uint16_t last_port = 0;
  uint32_t last_value = 0;
  unsigned last_width = 0, writes = 0;
  bool gate_was_held = false;

 private:
  std::vector<pci::PortRange> ranges_;
  pci::Gate gate_;
};

class Registers final : public MmioDevice {
 public:
  pci::Gate& gate() noexcept override { return gate_; }
  uint64_t mmio_read(uint64_t offset, unsigned) noexcept override { return 0x100 + offset; }
  void mmio_write(uint64_t offset, unsigned width, uint64_t value) noexcept override {
    last = {offset, width, value};
  }
  std::array<uint64_t, 3> last{};

 private:
  pci::Gate gate_;
};

uint32_t in(IoBus& bus, uint16_t port, unsigned width) {
  uint32_t value = 0;
  bus.port_read(port, width, std::as_writable_bytes(std::span(&value, 1)).first(width));
  return value;
}

void out(IoBus& bus, uint16_t port, unsigned width, uint32_t value) {
  bus.port_write(port, width, std::as_bytes(std::span(&value, 1)).first(width));
}

uint64_t stat(const IoBus& bus, std::string_view group, std::string_view name) {
  Stats stats;
  bus.append_stats(stats);
  for (const Stat& one : stats) {
    if (one.group == group && one.name == name) return one.value;
  }
  return 0;
}

TEST(IoBus, AccessReachesTheDeviceOfThePortWithItsGateHeld) {
  auto bus = std::make_unique<IoBus>();
  Ports first({{0x10, 4}}), second({{0x14, 1}, {0xFFFF, 1}});
  ASSERT_TRUE(bus->add("first", first));
  ASSERT_TRUE(bus->add("second", second));
  EXPECT_EQ(in(*bus, 0x12, 4), 0xA000'0012u);
  EXPECT_TRUE(first.gate_was_held);
  EXPECT_EQ(first.last_width, 4u);
  EXPECT_EQ(in(*bus, 0xFFFF, 1), 0xFFu);
  out(*bus, 0x14, 2, 0x1234);
  EXPECT_EQ(second.last_value, 0x1234u);
  EXPECT_EQ(stat(*bus, "device first", "reads"), 1u);
  EXPECT_EQ(stat(*bus, "device second", "writes"), 1u);
}

TEST(IoBus, PortOfNobodyReadsAsOnesAndIsCounted) {
  auto bus = std::make_unique<IoBus>();
  EXPECT_EQ(in(*bus, 0x20, 1), 0xFFu);
  EXPECT_EQ(in(*bus, 0x20, 4), 0xFFFF'FFFFu);
  out(*bus, 0x20, 1, 1);
  EXPECT_EQ(stat(*bus, "unknown ports", "reads"), 2u);
  EXPECT_EQ(stat(*bus, "unknown ports", "writes"), 1u);
}

TEST(IoBus, StringAccessArrivesUnitByUnit) {
  auto bus = std::make_unique<IoBus>();
  Ports device({{0x1F0, 1}});
  ASSERT_TRUE(bus->add("ide", device));
  std::array<uint16_t, 8> words{};
  bus->port_read(0x1F0, 2, std::as_writable_bytes(std::span(words)));
  EXPECT_EQ(words[7], 0x1F0);
  bus->port_write(0x1F0, 2, std::as_bytes(std::span(words)));
  EXPECT_EQ(device.writes, 8u);
  EXPECT_EQ(stat(*bus, "device ide", "string_reads"), 1u);
  EXPECT_EQ(stat(*bus, "device ide", "string_writes"), 1u);
}

TEST(IoBus, TakenPortIsRefusedAndNothingOfTheRefusedDeviceStays) {
  auto bus = std::make_unique<IoBus>();
  Ports first({{0x10, 4}}), second({{0x8, 4}, {0x13, 2}});
  ASSERT_TRUE(bus->add("first", first));
  const auto added = bus->add("second", second);
  ASSERT_FALSE(added);
  EXPECT_NE(added.error().message.find("0x13"), std::string::npos) << added.error().message;
  EXPECT_EQ(in(*bus, 0x8, 1), 0xFFu);
  EXPECT_EQ(in(*bus, 0x13, 4), 0xA000'0013u);
}

TEST(IoBus, MovedRangeLeavesItsOldPlaceAndCannotTakeAnothersPort) {
  auto bus = std::make_unique<IoBus>();
  Ports fixed({{0x60, 1}}), bar({});
  ASSERT_TRUE(bus->add("fixed", fixed));
  const auto index = bus->add("bar", bar);
  ASSERT_TRUE(index);
  bus->set_ranges(*index, std::array{pci::PortRange{0xC000, 16}});
  EXPECT_EQ(in(*bus, 0xC00F, 2), 0xC00Fu);
  bus->set_ranges(*index, std::array{pci::PortRange{0x58, 16}});
  EXPECT_EQ(in(*bus, 0xC00F, 2), 0xFFFFu);
  out(*bus, 0x60, 1, 7);
  EXPECT_EQ(fixed.writes, 1u);
  out(*bus, 0x61, 1, 7);
  EXPECT_EQ(bar.writes, 1u);
  bus->set_ranges(*index, {});
  EXPECT_EQ(in(*bus, 0x61, 1), 0xFFu);
}

TEST(IoBus, RangeOverTheEndOfThePortSpaceIsRefused) {
  auto bus = std::make_unique<IoBus>();
  Ports device({{0xFFFC, 8}});
  EXPECT_FALSE(bus->add("device", device));
}

TEST(IoBus, MmioIsRelativeToItsRangeAndEndsWithIt) {
  auto bus = std::make_unique<IoBus>();
  Registers device;
  ASSERT_TRUE(bus->add_mmio("device", device, 0xFE00'0000, 0x100));
  uint64_t value = 0;
  auto bytes = std::as_writable_bytes(std::span(&value, 1));
  bus->mmio_read(0xFE00'0010, bytes.first(4));
  EXPECT_EQ(value, 0x110u);
  value = 5;
  bus->mmio_write(0xFE00'00FC, bytes.first(4));
  EXPECT_EQ(device.last, (std::array<uint64_t, 3>{0xFC, 4, 5}));
  bus->mmio_read(0xFE00'00FC, bytes);
  EXPECT_EQ(value, ~uint64_t{0});
  EXPECT_EQ(stat(*bus, "unknown mmio", "reads"), 1u);
}

TEST(IoBus, FullTableRefusesOneMoreDevice) {
  auto bus = std::make_unique<IoBus>();
  std::vector<std::unique_ptr<Ports>> devices;
  for (uint16_t i = 0; i <= IoBus::kMaxPortDevices; ++i) {
    devices.push_back(std::make_unique<Ports>(std::vector<pci::PortRange>{{i, 1}}));
    EXPECT_EQ(bus->add("device", *devices.back()).has_value(), i < IoBus::kMaxPortDevices);
  }
}

}  // namespace
}  // namespace viridian::vmm
