// CMOS, ACPI's fixed hardware and the reset ports.
#include "vmm-minimal/legacy_ports.h"

#include <gtest/gtest.h>

#include "tests/unit/vmm-minimal/fakes.h"
#include "vmm-minimal/acpi_pm.h"
#include "vmm-minimal/cmos.h"

namespace viridian::vmm {
namespace {

uint8_t read(Cmos& cmos, uint8_t index) {
  cmos.port_write(0x70, 1, index);
  return static_cast<uint8_t>(cmos.port_read(0x71, 1));
}
void write(Cmos& cmos, uint8_t index, uint8_t value) {
  cmos.port_write(0x70, 1, index);
  cmos.port_write(0x71, 1, value);
}
// 2026-11-21 (a Saturday) 13:45:07 UTC.
std::time_t a_day() noexcept { return 1795268707; }

TEST(Cmos, ReadsTheHostsClockInBcd) {
  Cmos cmos(512 << 20, a_day);
  EXPECT_EQ(read(cmos, 0), 0x07);
  EXPECT_EQ(read(cmos, 2), 0x45);
  EXPECT_EQ(read(cmos, 4), 0x13);
  EXPECT_EQ(read(cmos, 6), 7);
  EXPECT_EQ(read(cmos, 7), 0x21);
  EXPECT_EQ(read(cmos, 8), 0x11);
  EXPECT_EQ(read(cmos, 9), 0x26);
  EXPECT_EQ(read(cmos, 0x32), 0x20);
  EXPECT_EQ(read(cmos, 0x0A) & 0x80, 0);  // never in the middle of an update
  EXPECT_EQ(read(cmos, 0x0D), 0x80);      // the battery is good
  EXPECT_EQ(read(cmos, 0x80 | 4), 0x13);  // the NMI mask is no part of the index
}

TEST(Cmos, ReadsTheClockInTheFormThatStatusBSays) {
  Cmos cmos(512 << 20, a_day);
  write(cmos, 0x0B, 0x06);  // binary, 24 hours
  EXPECT_EQ(read(cmos, 4), 13);
  EXPECT_EQ(read(cmos, 9), 26);
  write(cmos, 0x0B, 0x00);  // BCD, 12 hours
  EXPECT_EQ(read(cmos, 4), 0x81);
  cmos.reset();
  EXPECT_EQ(read(cmos, 4), 0x13);
}

TEST(Cmos, TheClockCannotBeSet) {
  Cmos cmos(512 << 20, a_day);
  write(cmos, 4, 0x01);
  EXPECT_EQ(read(cmos, 4), 0x13);
}

TEST(Cmos, SaysHowMuchMemoryThereIs) {
  Cmos small(512 << 20, a_day);
  EXPECT_EQ(read(small, 0x15) | read(small, 0x16) << 8, 640);
  EXPECT_EQ((read(small, 0x34) | read(small, 0x35) << 8) * 65536, (512 - 16) << 20);
  EXPECT_EQ(read(small, 0x5B), 0);
  Cmos large(uint64_t{5} << 30, a_day);
  EXPECT_EQ(read(large, 0x34) | read(large, 0x35) << 8, (3072 - 16) << 4);
  EXPECT_EQ(read(large, 0x5B) | read(large, 0x5C) << 8 | read(large, 0x5D) << 16, 2 << 14);
}

TEST(Cmos, TheShutdownByteIsKeptUntilReset) {
  Cmos cmos(512 << 20, a_day);
  write(cmos, 0x0F, 0x0A);
  EXPECT_EQ(read(cmos, 0x0F), 0x0A);
  cmos.reset();
  EXPECT_EQ(read(cmos, 0x0F), 0);
}

uint64_t clock_ns = 0;
uint64_t fake_ns() noexcept { return clock_ns; }

TEST(AcpiPm, OnlySleepTypeFiveWithSleepEnableSwitchesOff) {
  FakePower power;
  AcpiPm pm(power, fake_ns);
  pm.port_write(AcpiPm::kControl, 2, 5 << 10);            // no SLP_EN
  pm.port_write(AcpiPm::kControl, 2, 3 << 10 | 1 << 13);  // S3
  EXPECT_EQ(power.stops(), 0u);
  EXPECT_EQ(pm.port_read(AcpiPm::kControl, 2), 3u << 10 | 1);
  pm.port_write(AcpiPm::kControl, 2, 5 << 10 | 1 << 13);
  EXPECT_EQ(power.reason(), StopReason::kPowerOff);
}

TEST(AcpiPm, AcpiIsAlwaysOnAndNothingEverHappens) {
  FakePower power;
  AcpiPm pm(power, fake_ns);
  EXPECT_EQ(pm.port_read(AcpiPm::kControl, 2), AcpiPm::kSciEnable);
  pm.port_write(AcpiPm::kControl, 2, 0);
  EXPECT_EQ(pm.port_read(AcpiPm::kControl, 2), AcpiPm::kSciEnable);
  pm.port_write(AcpiPm::kEvent + 2, 2, 0x0120);
  EXPECT_EQ(pm.port_read(AcpiPm::kEvent + 2, 2), 0x0120u);
  EXPECT_EQ(pm.port_read(AcpiPm::kEvent, 4), 0x01200000u);
  EXPECT_EQ(pm.port_read(AcpiPm::kEvent, 2), 0u);
}

TEST(AcpiPm, TheTimerRunsAtItsRateAndWrapsAt32Bits) {
  FakePower power;
  AcpiPm pm(power, fake_ns);
  clock_ns = 0;
  EXPECT_EQ(pm.port_read(AcpiPm::kTimer, 4), 0u);
  clock_ns = 1'000'000'000;
  EXPECT_EQ(pm.port_read(AcpiPm::kTimer, 4), 3'579'545u);
  clock_ns = uint64_t{2'000} * 1'000'000'000;
  EXPECT_EQ(pm.port_read(AcpiPm::kTimer, 4), static_cast<uint32_t>(uint64_t{2'000} * 3'579'545));
}

TEST(AcpiPm, EveryWidthAtEveryPlaceIsAnswered) {
  FakePower power;
  AcpiPm pm(power, fake_ns);
  for (uint16_t port = AcpiPm::kBase; port < AcpiPm::kBase + 12; ++port) {
    for (const unsigned width : {1u, 2u, 4u}) {
      pm.port_write(port, width, 0);
      pm.port_read(port, width);
    }
  }
  EXPECT_EQ(power.stops(), 0u);
}

TEST(LegacyPorts, EachWayToResetResets) {
  struct Way {
    uint16_t port;
    uint32_t value;
  };
  for (const Way way : {Way{0xCF9, 0x06}, Way{0xCF9, 0x0E}, Way{0x92, 0x03}, Way{0x64, 0xFE}}) {
    FakePower power;
    LegacyPorts ports(power);
    ports.port_write(way.port, 1, way.value);
    EXPECT_EQ(power.reason(), StopReason::kReset) << way.port;
  }
  FakePower power;
  LegacyPorts ports(power);
  ports.port_write(0xCF9, 1, 0x02);  // arms it only
  ports.port_write(0x92, 1, 0x02);   // A20
  ports.port_write(0x64, 1, 0xAD);
  EXPECT_EQ(power.stops(), 0u);
  EXPECT_EQ(ports.port_read(0xCF9, 1), 2u);
  ports.port_write(0xCF9, 1, 0x06);
  EXPECT_EQ(power.stops(), 1u);
}

TEST(LegacyPorts, TheKeyboardControllerIsIdleAndThePostCodeIsKept) {
  FakePower power;
  LegacyPorts ports(power);
  EXPECT_EQ(ports.port_read(0x64, 1), 0u);
  ports.port_write(0x80, 1, 0x55);
  EXPECT_EQ(ports.post_code(), 0x55);
}

}  // namespace
}  // namespace viridian::vmm
