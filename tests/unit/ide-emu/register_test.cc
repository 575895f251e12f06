// Registers, presence, selection and resets: what a driver's probe sees.
#include "tests/unit/ide-emu/fake_guest.h"

namespace viridian::ide {
namespace {

class RegisterTest : public IdeTest {
 protected:
  // libata's presence check: two registers keep two patterns.
  bool present(GuestChannel& channel, unsigned drive) {
    channel.select(drive);
    channel.out(port::kCount, 0x55);
    channel.out(port::kLbaLow, 0xAA);
    channel.out(port::kCount, 0xAA);
    channel.out(port::kLbaLow, 0x55);
    channel.out(port::kCount, 0x55);
    channel.out(port::kLbaLow, 0xAA);
    return channel.in(port::kCount) == 0x55 && channel.in(port::kLbaLow) == 0xAA;
  }
  void soft_reset(GuestChannel& channel) {
    channel.control(control_bit::kSoftReset);
    EXPECT_EQ(channel.alternate_status() & status_bit::kBusy, status_bit::kBusy);
    channel.control(0);
  }
  void expect_signature(GuestChannel& channel, unsigned mid, unsigned high) {
    EXPECT_EQ(channel.in(port::kError), 1);
    EXPECT_EQ(channel.in(port::kCount), 1);
    EXPECT_EQ(channel.in(port::kLbaLow), 1);
    EXPECT_EQ(channel.in(port::kLbaMid), mid);
    EXPECT_EQ(channel.in(port::kLbaHigh), high);
  }
  uint32_t config_read(uint8_t offset, unsigned width) {
    return controller_.config().read(offset, width);
  }
  void config_write(uint8_t offset, unsigned width, uint32_t value) {
    pci::GateHold hold(controller_.gate());
    controller_.config_write(offset, width, value);
  }
};

TEST_F(RegisterTest, ProbeFindsTheLoneMasterAndNothingElse) {
  EXPECT_TRUE(present(ide_, 0));
  EXPECT_FALSE(present(ide_, 1));
  EXPECT_FALSE(present(ide_2_, 0));
  EXPECT_FALSE(present(ide_2_, 1));
}

TEST_F(RegisterTest, AbsentSlaveBesideAMasterReadsZeroAndTakesNoCommand) {
  ide_.select(1);
  for (unsigned i = 1; i < 8; ++i)
    EXPECT_EQ(ide_.in(i), 0) << i;
  ide_.out(port::kCommand, command::kIdentify);
  EXPECT_EQ(ide_.alternate_status(), 0);
  ide_.select(0);
  EXPECT_EQ(ide_.alternate_status(), kReady);
}

TEST_F(RegisterTest, EmptyChannelFloats) {
  for (unsigned i = 0; i < 8; ++i)
    EXPECT_EQ(ide_2_.in(i), 0xFF) << i;
  EXPECT_EQ(ide_2_.alternate_status(), 0xFF);
  EXPECT_EQ(ide_2_.ins(4), std::vector<std::byte>(4, std::byte{0xFF}));
  soft_reset(ide_2_);
  EXPECT_EQ(ide_2_.alternate_status(), 0xFF);
}

TEST_F(RegisterTest, SoftResetPostsTheSignatureSelectsDriveZeroAndDropsTheInterrupt) {
  ide_.set28(0, 1);
  ide_.command(command::kReadSectors);
  EXPECT_TRUE(line_.level());
  soft_reset(ide_);
  EXPECT_EQ(ide_.alternate_status(), kReady);
  EXPECT_FALSE(line_.level());
  expect_signature(ide_, 0, 0);
  EXPECT_EQ(ide_.in(port::kDevice)&0x5F, 0);
}

TEST_F(RegisterTest, SoftResetKeepsSettingsAndMachineResetDoesNot) {
  ide_.set28(0, 8);
  EXPECT_EQ(ide_.command(command::kSetMultiple), kReady);
  soft_reset(ide_);
  ide_.set28(0, 8);
  EXPECT_EQ(ide_.command(command::kReadMultiple), kDataRequest);
  {
    pci::GateHold hold(controller_.gate());
    controller_.reset();
  }
  EXPECT_EQ(config_read(pci::reg::kCommand, 2), 0u);
  expect_signature(ide_, 0, 0);
  ide_.set28(0, 8);
  EXPECT_EQ(ide_.command(command::kReadMultiple), kError);
}

TEST_F(RegisterTest, MachineResetDuringADmaWaitsForItAndLeavesTheDriveReady) {
  put_prds({{kData, 512, kPrdEndOfTable}});
  disk_.hold();
  ide_.set28(3, 1);
  ide_.prepare_dma(kTable, true);
  ide_.out(port::kCommand, command::kReadDma);
  ide_.start();
  settle();
  {
    pci::GateHold hold(controller_.gate());
    controller_.reset();
  }
  EXPECT_FALSE(controller_.idle());
  disk_.release();
  EXPECT_EQ(ide_.wait(), kReady);
  EXPECT_TRUE(controller_.idle());
  EXPECT_EQ(ide_.bar_in(bus_master::kStatus), 0u);
  EXPECT_EQ(line_.rises(), 0u);
}

TEST_F(RegisterTest, DiagnosticRunsOnBothDrivesWhicheverIsSelected) {
  io::RamDisk other(*reactor_, 64);
  ASSERT_TRUE(controller_.attach_disk(0, 1, other, {}));
  ide_.select(1);
  EXPECT_EQ(ide_.command(command::kDiagnostic), kReady);
  EXPECT_EQ(line_.rises(), 1u);
  EXPECT_EQ(ide_.in(port::kDevice)&device_bit::kDrive, 0);
  expect_signature(ide_, 0, 0);
  ide_.select(1);
  EXPECT_EQ(ide_.in(port::kError), 1);
}

TEST_F(RegisterTest, LoneSlaveAnswersOnlyWhenSelected) {
  io::RamDisk other(*reactor_, 64);
  ASSERT_TRUE(controller_.attach_disk(1, 1, other, {}));
  EXPECT_FALSE(present(ide_2_, 0));
  EXPECT_TRUE(present(ide_2_, 1));
  ide_2_.select(1);
  EXPECT_EQ(ide_2_.command(command::kIdentify), kDataRequest);
  EXPECT_TRUE(line_2_.level());
  ide_2_.select(0);
  EXPECT_FALSE(line_2_.level());
}

TEST_F(RegisterTest, ChannelWhoseDecodeBitIsOffFloatsAndTakesNothing) {
  EXPECT_EQ(config_read(0x40, 4), 0x80008000u);
  config_write(0x40, 2, 0);
  ide_.set28(0, 1);
  ide_.out(port::kCommand, command::kReadSectors);
  EXPECT_EQ(ide_.in(port::kStatus), 0xFF);
  config_write(0x40, 2, 0x8000);
  EXPECT_EQ(ide_.in(port::kStatus), kReady);
}

TEST_F(RegisterTest, ConfigurationHasTheRegistersThatAtaPiixPrograms) {
  EXPECT_EQ(config_read(0, 4), 0x71118086u);
  EXPECT_EQ(config_read(8, 4) >> 8, 0x010180u);
  config_write(0x40, 2, 0xE377);
  config_write(0x44, 1, 0x0B);
  config_write(0x48, 1, 0xFF);
  config_write(0x4A, 2, 0xFFFF);
  EXPECT_EQ(config_read(0x40, 4), 0x8000E377u);
  EXPECT_EQ(config_read(0x44, 4), 0x0Bu);
  EXPECT_EQ(config_read(0x48, 4), 0x3333000Fu);
}

// OpenVMM #2373: the bus master's window is 16 bytes with a 16-bit base.
TEST_F(RegisterTest, BusMasterBarIsSixteenBytesBelowSixtyFourKib) {
  config_write(0x20, 4, ~0u);
  EXPECT_EQ(config_read(0x20, 4), 0xFFF1u);
  config_write(0x20, 4, 0xC04C);
  EXPECT_EQ(controller_.config().bar(4).base, 0xC040u);
  EXPECT_EQ(controller_.config().bar(4).size, 16u);
}

TEST_F(RegisterTest, BusMasterRegistersOfTheTwoChannelsAreApartAndReachableAtEachWidth) {
  ide_.bar_out(4, 0x12345677, 4);
  ide_2_.bar_out(4, 0x55660000, 4);
  ide_2_.bar_out(6, 0x7788, 2);
  EXPECT_EQ(ide_.bar_in(4, 4), 0x12345674u);
  EXPECT_EQ(ide_2_.bar_in(4, 4), 0x77880000u);
  ide_.bar_out(bus_master::kStatus, 0x60);
  EXPECT_EQ(ide_.bar_in(0, 4), 0x00600000u);
  EXPECT_EQ(ide_.bar_in(12, 4), ide_2_.bar_in(4, 4));  // 12 is the second channel's table
  EXPECT_EQ(ide_2_.bar_in(8, 4), ~0u);                 // beyond the window
  ide_2_.bar_out(8, 0, 4);
}

TEST_F(RegisterTest, EngineStatusBitsAreClearedByWritingOnes) {
  ide_.set28(0, 1);
  ide_.command(command::kReadSectors);
  EXPECT_EQ(ide_.bar_in(bus_master::kStatus), bus_master::kInterrupt);
  ide_.bar_out(bus_master::kStatus, 0);
  EXPECT_EQ(ide_.bar_in(bus_master::kStatus), bus_master::kInterrupt);
  ide_.bar_out(bus_master::kStatus, bus_master::kInterrupt);
  EXPECT_EQ(ide_.bar_in(bus_master::kStatus), 0u);
}

TEST_F(RegisterTest, CommandDuringAnotherIsNotTaken) {
  disk_.hold();
  ide_.set28(5, 1);
  ide_.out(port::kCommand, command::kReadSectors);
  ide_.out(port::kCommand, command::kIdentify);
  ide_.set28(6, 2);
  ide_.out(port::kCommand, command::kWriteSectors);
  EXPECT_NE(ide_.alternate_status() & status_bit::kBusy, 0);
  disk_.release();
  EXPECT_EQ(ide_.wait(), kDataRequest);
  ide_.out(port::kCommand, command::kIdentify);  // nor while a block waits
  EXPECT_EQ(ide_.ins(512), sectors(5, 1));
  EXPECT_EQ(ide_.alternate_status(), kReady);
}

TEST_F(RegisterTest, ResetWhileAPioReadIsOutDoesNotLetItsDataThrough) {
  disk_.hold();
  ide_.set28(5, 1);
  ide_.out(port::kCommand, command::kReadSectors);
  settle();
  ide_.control(control_bit::kSoftReset);
  disk_.release();
  settle();
  EXPECT_EQ(ide_.alternate_status(), status_bit::kBusy);  // SRST is still on
  ide_.control(0);
  EXPECT_EQ(ide_.alternate_status(), kReady);
  EXPECT_EQ(ide_.ins(4), std::vector<std::byte>(4));
}

TEST_F(RegisterTest, AttachRefusesWhatCannotBe) {
  EXPECT_FALSE(controller_.attach_disk(0, 0, disk_, {}));
  EXPECT_FALSE(controller_.attach_disk(2, 0, disk_, {}));
  EXPECT_FALSE(controller_.attach_disk(1, 0, disk_, {.serial = "123456789012345678901"}));
  const auto bad = controller_.attach_cdrom(1, 1, nullptr, {.model = "tab\t"});
  ASSERT_FALSE(bad);
  EXPECT_NE(bad.error().message.find("ide1:1: drive model"), std::string::npos);
  EXPECT_TRUE(controller_.attach_disk(1, 0, disk_, {.serial = "12345678901234567890"}));
}

}  // namespace
}  // namespace viridian::ide
