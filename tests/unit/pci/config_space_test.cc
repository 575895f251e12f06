#include "pci/config_space.h"

#include <gtest/gtest.h>

#include "pci/register.h"

namespace viridian::pci {
namespace {

constexpr Identity kIdentity = {.vendor_id = 0x8086,
                                .device_id = 0x7111,
                                .class_code = 1,
                                .subclass = 1,
                                .prog_interface = 0x80,
                                .revision = 1,
                                .interrupt_pin = 1};

TEST(ConfigSpace, IdentityIsReadableAtEveryWidthAndNotWritable) {
  ConfigSpace config(kIdentity);
  config.write(reg::kVendorId, 4, 0);
  EXPECT_EQ(config.read(reg::kVendorId, 4), 0x71118086u);
  EXPECT_EQ(config.read(reg::kDeviceId, 2), 0x7111u);
  EXPECT_EQ(config.read(reg::kClass, 1), 1u);
}

TEST(ConfigSpace, SizingWriteToABarReadsBackItsSizeAndKind) {
  ConfigSpace config(kIdentity);
  config.add_bar(4, BarKind::kIo, 16);
  config.write(0x20, 4, ~0u);
  EXPECT_EQ(config.read(0x20, 4), 0xFFFFFFF1u);  // PCI 3.0, 6.2.5.1
  config.write(0x20, 4, 0xC040);
  config.write(reg::kCommand, 2, command::kIoSpace);
  EXPECT_EQ(config.bar(4).base, 0xC040u);
  EXPECT_TRUE(config.bar(4).enabled);
}

TEST(ConfigSpace, BarWithoutItsDecodeBitIsNotEnabled) {
  ConfigSpace config(kIdentity);
  config.add_bar(0, BarKind::kMemory32, 4096);
  config.write(reg::kCommand, 2, command::kIoSpace);
  EXPECT_FALSE(config.bar(0).enabled);
  EXPECT_EQ(config.bar(1).kind, BarKind::kNone);
}

TEST(ConfigSpace, ByteWriteChangesOnlyItsLane) {
  ConfigSpace config(kIdentity);
  config.set_register(0x40, 0x11223344, ~0u);
  config.write(0x41, 1, 0xAA);
  EXPECT_EQ(config.read(0x40, 4), 0x1122AA44u);
}

TEST(ConfigSpace, AccessAcrossTwoRegistersReadsAsOnesAndWritesNothing) {
  ConfigSpace config(kIdentity);
  config.set_register(0x40, 0, ~0u);
  config.write(0x42, 4, ~0u);
  EXPECT_EQ(config.read(0x40, 4), 0u);
  EXPECT_EQ(config.read(0x3F, 2), ~0u);
}

TEST(ConfigSpace, ResetBringsBackPowerOnValuesAndKeepsBars) {
  ConfigSpace config(kIdentity);
  config.add_bar(4, BarKind::kIo, 16);
  config.write(0x20, 4, 0xC040);
  config.write(reg::kCommand, 2, 7);
  config.reset();
  EXPECT_EQ(config.command(), 0);
  EXPECT_EQ(config.bar(4).base, 0u);
  EXPECT_EQ(config.bar(4).size, 16u);
}

TEST(Register, WriteChangesWritableBitsAndClearsWrittenOnes) {
  constexpr RegisterSpec kSpec = {0, "STATUS", 0, 0x0F, 0xF0};
  EXPECT_EQ(after_write(kSpec, 0xF5, 0x3A), 0xCAu);
}

TEST(Register, FieldIsNamedHighBitFirst) {
  using Rate = Field<7, 4>;
  EXPECT_EQ(Rate::get(0xABCD), 0xCu);
  EXPECT_EQ(Rate::with(0xABCD, 1), 0xAB1Du);
}

}  // namespace
}  // namespace viridian::pci
