// A CD-ROM drive on ide1:0, driven as libata and sr do, with a disc of 100 blocks.
#include "ide-emu/atapi_spec.h"
#include "tests/unit/ide-emu/fake_guest.h"

namespace viridian::ide {
namespace {

class AtapiTest : public IdeTest {
 protected:
  static constexpr uint32_t kBlocks = 100;

  AtapiTest() {
    EXPECT_TRUE(controller_.attach_cdrom(1, 0, &disc_, {.model = "Viridian DVD-ROM"}));
    for (size_t i = 0; i < disc_ram_.bytes().size(); ++i)
      disc_ram_.bytes()[i] = static_cast<std::byte>(i / 2048 + i * 5);
    EXPECT_EQ(run({opcode::kTestUnitReady}), kError);  // the power-on attention
  }
  ~AtapiTest() override {
    disc_.release();
    settle();
  }

  using Bytes = std::vector<std::byte>;
  uint8_t start(std::initializer_list<unsigned> packet, unsigned limit, bool dma) {
    ide_2_.select(0);
    ide_2_.out(port::kFeatures, dma ? 1 : 0);
    ide_2_.out(port::kLbaMid, limit & 0xFF);
    ide_2_.out(port::kLbaHigh, limit >> 8);
    const uint8_t status = ide_2_.command(command::kPacket);
    EXPECT_EQ(status, kDataRequest);
    EXPECT_EQ(ide_2_.in(port::kCount), interrupt_reason::kPacket);
    Bytes bytes;
    for (unsigned byte : packet)
      bytes.push_back(static_cast<std::byte>(byte));
    bytes.resize(kPacketBytes);
    ide_2_.outs(bytes, 2);
    return ide_2_.wait();
  }
  // By PIO to the end; the data are in in_.
  uint8_t run(std::initializer_list<unsigned> packet, unsigned limit = 0xFFFE) {
    in_.clear();
    blocks_.clear();
    uint8_t status = start(packet, limit, false);
    while (status == kDataRequest) {
      EXPECT_EQ(ide_2_.in(port::kCount), interrupt_reason::kDataIn);
      EXPECT_EQ(ide_2_.in(port::kStatus), kDataRequest);
      const unsigned bytes = ide_2_.in(port::kLbaMid) | unsigned{ide_2_.in(port::kLbaHigh)} << 8;
      blocks_.push_back(bytes);
      const auto block = ide_2_.ins(bytes, 2);
      in_.insert(in_.end(), block.begin(), block.end());
      status = ide_2_.wait();
    }
    EXPECT_EQ(ide_2_.in(port::kCount), interrupt_reason::kStatus);
    EXPECT_TRUE(line_2_.level());
    EXPECT_EQ(ide_2_.in(port::kStatus), status);
    return status;
  }
  Sense sense() {
    EXPECT_EQ(run({opcode::kRequestSense, 0, 0, 0, 18}), kReady);
    EXPECT_EQ(in_.size(), 18u);
    return {uint8_t(in_[2]), uint8_t(in_[12]), uint8_t(in_[13])};
  }
  Bytes blocks(uint32_t first, uint32_t count) {
    const auto bytes = disc_ram_.bytes().subspan(first * 2048, count * 2048);
    return {bytes.begin(), bytes.end()};
  }

  io::RamDisk disc_ram_{*reactor_, kBlocks * 4 + 3, true};  // three sectors are no block
  io::FaultDisk disc_{*reactor_, disc_ram_};
  Bytes in_;
  std::vector<unsigned> blocks_;
};

TEST_F(AtapiTest, SignatureAndIdentifyAreThoseOfAPacketDevice) {
  ide_2_.control(control_bit::kSoftReset);
  ide_2_.control(0);
  EXPECT_EQ(ide_2_.alternate_status(), 0);
  EXPECT_EQ(ide_2_.in(port::kLbaMid), 0x14);
  EXPECT_EQ(ide_2_.in(port::kLbaHigh), 0xEB);
  ide_2_.select(0);
  ide_2_.out(port::kLbaMid, 0);
  EXPECT_EQ(ide_2_.command(command::kIdentify), kError);
  EXPECT_EQ(ide_2_.in(port::kError), error_bit::kAbort);
  EXPECT_EQ(ide_2_.in(port::kLbaMid), 0x14);
  EXPECT_EQ(ide_2_.command(command::kIdentifyPacket), kDataRequest);
  EXPECT_EQ(read_wire<le16>(ide_2_.ins(512))->get(), 0x85C0);
  EXPECT_EQ(ide_2_.alternate_status(), kReady);
}

TEST_F(AtapiTest, DiskTakesNoPacketAndDriveTakesNoSectorCommand) {
  ide_.select(0);
  EXPECT_EQ(ide_.command(command::kPacket), kError);
  EXPECT_EQ(ide_.command(command::kIdentifyPacket), kError);
  EXPECT_EQ(ide_.command(command::kDeviceReset), kError);
  for (unsigned code :
       {0x20U, 0x24U, 0x25U, 0x30U, 0x35U, 0xC8U, 0xCAU, 0xB0U, 0xE7U, 0xC6U, 0xF8U})
    EXPECT_EQ(ide_2_.command(code), kError) << code;
}

TEST_F(AtapiTest, FirstCommandAfterAResetLearnsOfItOnce) {
  ide_2_.control(control_bit::kSoftReset);
  ide_2_.control(0);
  EXPECT_EQ(run({opcode::kInquiry, 0, 0, 0, 36}), kReady);  // tells nothing of it
  EXPECT_EQ(run({opcode::kTestUnitReady}), kError);
  EXPECT_EQ(ide_2_.in(port::kError), 6 << 4 | error_bit::kAbort);
  EXPECT_EQ(sense(), sense::kReset);
  EXPECT_EQ(run({opcode::kTestUnitReady}), kReady);
  EXPECT_EQ(sense(), sense::kNone);
}

TEST_F(AtapiTest, ReadByPioComesInBlocksOfTheByteCountLimit) {
  EXPECT_EQ(run({opcode::kRead10, 0, 0, 0, 0, 7, 0, 0, 9}), kReady);
  EXPECT_EQ(in_, blocks(7, 9));
  EXPECT_EQ(blocks_, (std::vector<unsigned>{8192, 8192, 2048}));
  EXPECT_EQ(run({opcode::kRead12, 0, 0, 0, 0, 3, 0, 0, 0, 1}, 0x0301), kReady);
  EXPECT_EQ(in_, blocks(3, 1));
  EXPECT_EQ(blocks_, (std::vector<unsigned>{768, 768, 512}));
  EXPECT_EQ(run({opcode::kRead10, 0, 0, 0, 0, 3, 0, 0, 1}, 0), kReady);
  EXPECT_EQ(in_, blocks(3, 1));
}

TEST_F(AtapiTest, ReadByDmaGoesStraightToTheTable) {
  put_prds({{kData, 2050}, {kData + 0x3000, 8190, kPrdEndOfTable}});
  ide_2_.prepare_dma(kTable, true);
  start({opcode::kRead10, 0, 0, 0, 0, 7, 0, 0, 5}, 0, true);
  ide_2_.start();
  EXPECT_EQ(ide_2_.wait(), kReady);
  auto got = guest_bytes(kData, 2050);
  const auto rest = guest_bytes(kData + 0x3000, 8190);
  got.insert(got.end(), rest.begin(), rest.end());
  EXPECT_EQ(got, blocks(7, 5));
  EXPECT_EQ(ide_2_.bar_in(bus_master::kStatus), bus_master::kInterrupt);
}

TEST_F(AtapiTest, ReplyByDmaIsCutToItsLengthAndNeverBeyondTheTable) {
  put_prds({{kData, 10}, {kData + 0x100, 100, kPrdEndOfTable}});
  ide_2_.prepare_dma(kTable, true);
  start({opcode::kInquiry, 0, 0, 0, 36}, 0, true);
  ide_2_.start();
  EXPECT_EQ(ide_2_.wait(), kReady);
  EXPECT_EQ(memory_bytes_[kData], std::byte{5});
  EXPECT_EQ(memory_bytes_[kData + 8], std::byte{'V'});
  EXPECT_EQ(memory_bytes_[kData + 0x100], std::byte{'r'});
  EXPECT_EQ(memory_bytes_[kData + 0x100 + 26], std::byte{0});
  EXPECT_EQ(ide_2_.bar_in(bus_master::kStatus), bus_master::kInterrupt | bus_master::kActive);
  ide_2_.stop();
}

TEST_F(AtapiTest, FailedPacketByDmaInterruptsWithoutMovingAnything) {
  put_prds({{kData, 2048, kPrdEndOfTable}});
  ide_2_.prepare_dma(kTable, true);
  start({opcode::kRead10, 0, 0, 0, 1, 0, 0, 0, 1}, 0, true);
  ide_2_.start();
  EXPECT_EQ(ide_2_.wait(), kError);
  EXPECT_EQ(guest_bytes(kData, 16), Bytes(16));
  ide_2_.stop();
  EXPECT_EQ(sense(), sense::kAddressOutOfRange);
}

TEST_F(AtapiTest, RangeAndMediumErrorsHaveTheirSense) {
  EXPECT_EQ(run({opcode::kRead10, 0, 0, 0, 0, kBlocks - 1, 0, 0, 2}), kError);
  EXPECT_EQ(sense(), sense::kAddressOutOfRange);
  EXPECT_EQ(run({opcode::kRead12, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}), kError);
  EXPECT_EQ(sense(), sense::kAddressOutOfRange);
  disc_.fail_next(io::IoOp::kRead, io::IoStatus::kMediumError);
  EXPECT_EQ(run({opcode::kRead10, 0, 0, 0, 0, 1, 0, 0, 1}), kError);
  EXPECT_EQ(ide_2_.in(port::kError), 3 << 4 | error_bit::kAbort);
  EXPECT_EQ(sense(), sense::kUnrecoveredRead);
  EXPECT_EQ(run({opcode::kRead10, 0, 0, 0, 0, 1, 0, 0, 0}), kReady);  // no blocks: nothing to do
}

TEST_F(AtapiTest, CapacityTocAndDiscInformationDescribeOneTrack) {
  EXPECT_EQ(run({opcode::kReadCapacity}), kReady);
  EXPECT_EQ(read_wire<be32>(in_)->get(), kBlocks - 1);
  EXPECT_EQ(read_wire<be32>(in_, 4)->get(), 2048u);
  EXPECT_EQ(run({opcode::kReadToc, 0, 0, 0, 0, 0, 0, 0, 255}), kReady);
  ASSERT_EQ(in_.size(), 20u);
  EXPECT_EQ(read_wire<be16>(in_)->get(), 18);
  EXPECT_EQ(in_[14], std::byte{0xAA});
  EXPECT_EQ(read_wire<be32>(in_, 16)->get(), kBlocks);
  EXPECT_EQ(run({opcode::kReadToc, 2, 0, 0, 0, 0, 0, 0, 255}), kReady);
  EXPECT_EQ(read_wire<be32>(in_, 8)->get(), 0x0200u);  // 0 minutes, 2 seconds, 0 frames
  EXPECT_EQ(run({opcode::kReadToc, 0, 1, 0, 0, 0, 0, 0, 12}), kReady);
  EXPECT_EQ(in_.size(), 12u);
  EXPECT_EQ(run({opcode::kReadToc, 0, 0, 0, 0, 0, 9, 0, 12}), kError);
  EXPECT_EQ(sense(), sense::kInvalidField);
  EXPECT_EQ(run({opcode::kReadDiscInformation, 0, 0, 0, 0, 0, 0, 0, 34}), kReady);
  EXPECT_EQ(in_.size(), 34u);
}

TEST_F(AtapiTest, ModeSenseConfigurationEventsAndMechanismAnswer) {
  EXPECT_EQ(run({opcode::kModeSense10, 0, 0x2A, 0, 0, 0, 0, 0, 128}), kReady);
  ASSERT_EQ(in_.size(), 28u);
  EXPECT_EQ(read_wire<be16>(in_)->get(), 26);
  EXPECT_EQ(in_[8], std::byte{0x2A});
  EXPECT_EQ(run({opcode::kModeSense10, 0, 0x3F, 0, 0, 0, 0, 0, 8}), kReady);
  EXPECT_EQ(in_.size(), 8u);
  EXPECT_EQ(run({opcode::kModeSense10, 0, 0xEA, 0, 0, 0, 0, 0, 8}), kError);
  EXPECT_EQ(sense(), sense::kSavingUnsupported);
  EXPECT_EQ(run({opcode::kModeSense10, 0, 0x05, 0, 0, 0, 0, 0, 8}), kError);
  EXPECT_EQ(run({opcode::kGetConfiguration, 0, 0, 0, 0, 0, 0, 1, 0}), kReady);
  EXPECT_EQ(read_wire<be16>(in_, 6)->get(), 0x0008);
  EXPECT_EQ(read_wire<be32>(in_)->get(), in_.size() - 4);
  EXPECT_EQ(run({opcode::kGetConfiguration, 2, 0, 3, 0, 0, 0, 1, 0}), kReady);
  EXPECT_EQ(in_.size(), 16u);
  EXPECT_EQ(run({opcode::kGetEvent, 1, 0, 0, 0x10, 0, 0, 0, 8}), kReady);
  EXPECT_EQ(in_[5], std::byte{2});  // a disc is there
  EXPECT_EQ(run({opcode::kGetEvent, 0, 0, 0, 0x10, 0, 0, 0, 8}), kError);
  EXPECT_EQ(run({opcode::kMechanismStatus, 0, 0, 0, 0, 0, 0, 0, 0, 8}), kReady);
  EXPECT_EQ(in_.size(), 8u);
}

TEST_F(AtapiTest, EveryOtherPacketIsAnInvalidOpcode) {
  for (unsigned code :
       {0x04U, 0x1AU, 0x15U, 0x2AU, 0x35U, 0x42U, 0x55U, 0xA3U, 0xADU, 0xBEU, 0xFFU}) {
    EXPECT_EQ(run({code}), kError) << code;
    EXPECT_EQ(sense(), sense::kInvalidOpcode) << code;
  }
}

TEST_F(AtapiTest, EjectTakesTheDiscAwayUntilItIsLoadedUnlessTheDoorIsLocked) {
  EXPECT_EQ(run({opcode::kPreventAllow, 0, 0, 0, 1}), kReady);
  EXPECT_EQ(run({opcode::kStartStop, 0, 0, 0, 2}), kError);
  EXPECT_EQ(sense(), sense::kRemovalPrevented);
  EXPECT_EQ(run({opcode::kPreventAllow, 0, 0, 0, 0}), kReady);
  EXPECT_EQ(run({opcode::kStartStop, 0, 0, 0, 2}), kReady);
  EXPECT_EQ(run({opcode::kRead10, 0, 0, 0, 0, 1, 0, 0, 1}), kError);
  EXPECT_EQ(sense(), sense::kMediumAbsentTrayOpen);
  EXPECT_EQ(run({opcode::kStartStop, 0, 0, 0, 3}), kReady);
  EXPECT_EQ(run({opcode::kTestUnitReady}), kError);
  EXPECT_EQ(sense(), sense::kMediumChanged);
  EXPECT_EQ(run({opcode::kGetEvent, 1, 0, 0, 0x10, 0, 0, 0, 8}), kReady);
  EXPECT_EQ(in_[4], std::byte{2});
  EXPECT_EQ(run({opcode::kRead10, 0, 0, 0, 0, 1, 0, 0, 1}), kReady);
}

TEST_F(AtapiTest, DriveWithoutADiscSaysSo) {
  ASSERT_TRUE(controller_.attach_cdrom(1, 1, nullptr));
  ide_2_.select(1);
  ide_2_.command(command::kPacket);
  ide_2_.outs(Bytes(12));
  ide_2_.wait();
  ide_2_.command(command::kPacket);
  ide_2_.outs(Bytes(12));
  EXPECT_EQ(ide_2_.wait(), kError);
  EXPECT_EQ(ide_2_.in(port::kError), 2 << 4 | error_bit::kAbort);
}

TEST_F(AtapiTest, DeviceResetEndsABusyCommandOfItsDriveAlone) {
  disc_.hold();
  start({opcode::kRead10, 0, 0, 0, 0, 1, 0, 0, 1}, 0, true);
  put_prds({{kData, 2048, kPrdEndOfTable}});
  ide_2_.prepare_dma(kTable, true);
  ide_2_.start();
  settle();
  const unsigned rises = line_2_.rises();
  ide_2_.out(port::kCommand, command::kDeviceReset);
  EXPECT_EQ(ide_2_.alternate_status(), status_bit::kBusy);
  disc_.release();
  EXPECT_EQ(ide_2_.wait(), 0);
  EXPECT_EQ(ide_2_.in(port::kLbaHigh), 0xEB);
  EXPECT_EQ(line_2_.rises(), rises);
  EXPECT_EQ(run({opcode::kTestUnitReady}), kError);
  EXPECT_EQ(sense(), sense::kReset);
}

}  // namespace
}  // namespace viridian::ide
