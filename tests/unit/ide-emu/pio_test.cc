// Programmed I/O as libata drives it, with its interrupts.
#include "tests/unit/ide-emu/fake_guest.h"

namespace viridian::ide {
namespace {

using PioTest = IdeTest;

TEST_F(PioTest, ReadSectorsGivesOneBlockForEachSectorAndOneInterruptForEachBlock) {
  ide_.set28(5, 3);
  EXPECT_EQ(ide_.command(command::kReadSectors), kDataRequest);
  std::vector<std::byte> all;
  for (unsigned i = 1; i <= 3; ++i) {
    EXPECT_EQ(ide_.wait(), kDataRequest);
    EXPECT_EQ(line_.rises(), i);
    EXPECT_EQ(ide_.in(port::kStatus), kDataRequest);
    const auto sector = ide_.ins(512);
    all.insert(all.end(), sector.begin(), sector.end());
  }
  EXPECT_EQ(ide_.wait(), kReady);
  EXPECT_FALSE(line_.level());  // the last block's was the last
  EXPECT_EQ(all, sectors(5, 3));
}

TEST_F(PioTest, EveryWidthOfTheDataPortSeesTheSameBytes) {
  ide_.set28(1, 1);
  ide_.command(command::kReadSectors);
  auto got = ide_.ins(256, 2);
  const auto rest = ide_.ins(256, 4);
  got.insert(got.end(), rest.begin(), rest.end());
  EXPECT_EQ(got, sectors(1, 1));
}

TEST_F(PioTest, WriteSectorsAsksForTheFirstBlockWithoutAnInterrupt) {
  const std::vector<std::byte> data(512, std::byte{0x5A});
  ide_.set28(9, 2);
  EXPECT_EQ(ide_.command(command::kWriteSectors), kDataRequest);
  EXPECT_EQ(line_.rises(), 0u);
  ide_.outs(data);
  EXPECT_EQ(ide_.wait(), kDataRequest);
  EXPECT_EQ(line_.rises(), 1u);
  ide_.in(port::kStatus);
  ide_.outs(data, 2);
  EXPECT_EQ(ide_.wait(), kReady);
  EXPECT_EQ(line_.rises(), 2u);
  EXPECT_EQ(sectors(9, 1), data);
  EXPECT_EQ(sectors(10, 1), data);
}

TEST_F(PioTest, MultipleMovesItsBlockInOneDiskRequestAndEndsWithAShortOne) {
  ide_.set28(0, 16);
  EXPECT_EQ(ide_.command(command::kSetMultiple), kReady);
  ide_.set48(100, 20);
  EXPECT_EQ(ide_.command(command::kReadMultipleExt), kDataRequest);
  auto got = ide_.ins(16 * 512);
  EXPECT_EQ(ide_.wait(), kDataRequest);
  const auto rest = ide_.ins(4 * 512);
  got.insert(got.end(), rest.begin(), rest.end());
  EXPECT_EQ(ide_.wait(), kReady);
  EXPECT_EQ(got, sectors(100, 20));
  EXPECT_EQ(controller_.counters(0).disk_requests, 2u);
  EXPECT_EQ(controller_.counters(0).pio_blocks, 2u);
}

TEST_F(PioTest, MultipleBeforeSetMultipleIsAborted) {
  ide_.set28(0, 1);
  EXPECT_EQ(ide_.command(command::kReadMultiple), kError);
  EXPECT_EQ(ide_.in(port::kError), error_bit::kAbort);
}

TEST_F(PioTest, CountOfZeroIsTheLargest) {
  ide_.set28(0, 0);
  ide_.command(command::kReadSectors);
  for (int i = 0; i < 256; ++i) {
    ASSERT_EQ(ide_.wait(), kDataRequest) << i;
    ide_.ins(512);
  }
  EXPECT_EQ(ide_.wait(), kReady);
}

TEST_F(PioTest, ChsNamesTheSectorThatItsGeometrySays) {
  ide_.out(port::kDevice, 0xA0 | 15);  // 16 heads
  ide_.out(port::kCount, 63);
  EXPECT_EQ(ide_.command(command::kInitializeParameters), kReady);
  ide_.out(port::kDevice, 0xA0 | 2);
  ide_.out(port::kCount, 1);
  ide_.out(port::kLbaLow, 5);
  ide_.out(port::kLbaMid, 1);
  ide_.out(port::kLbaHigh, 0);
  EXPECT_EQ(ide_.command(command::kReadSectors), kDataRequest);
  EXPECT_EQ(ide_.ins(512), sectors((1 * 16 + 2) * 63 + 4, 1));
  ide_.out(port::kLbaLow, 0);  // sectors count from 1
  EXPECT_EQ(ide_.command(command::kReadSectors), kError);
  EXPECT_EQ(ide_.in(port::kError), error_bit::kIdNotFound);
}

TEST_F(PioTest, StatusReadClearsTheInterruptAndAlternateStatusDoesNot) {
  ide_.set28(0, 1);
  ide_.command(command::kReadSectors);
  EXPECT_TRUE(line_.level());
  ide_.alternate_status();
  EXPECT_TRUE(line_.level());
  ide_.in(port::kStatus);
  EXPECT_FALSE(line_.level());
}

TEST_F(PioTest, NoInterruptBitHoldsTheLineAndLettingGoShowsWhatIsPending) {
  ide_.control(control_bit::kNoInterrupt);
  ide_.set28(0, 1);
  ide_.command(command::kReadSectors);
  EXPECT_FALSE(line_.level());
  ide_.control(0);
  EXPECT_TRUE(line_.level());
}

TEST_F(PioTest, ReadBeyondTheBlockGivesZeroesAndWriteWithoutARequestIsLost) {
  ide_.set28(3, 1);
  ide_.command(command::kReadSectors);
  const auto got = ide_.ins(516);
  EXPECT_EQ(std::vector<std::byte>(got.end() - 4, got.end()), std::vector<std::byte>(4));
  EXPECT_EQ(ide_.alternate_status(), kReady);
  ide_.outs(got);
  EXPECT_EQ(ide_.alternate_status(), kReady);
}

TEST_F(PioTest, HighOrderBitShowsTheOlderValueUntilTheNextWrite) {
  ide_.set48(0x123456789AB, 0x1234);
  ide_.control(control_bit::kHighOrder);
  EXPECT_EQ(ide_.in(port::kCount), 0x12);
  EXPECT_EQ(ide_.in(port::kLbaHigh), 0x01);
  ide_.out(port::kFeatures, 0);
  EXPECT_EQ(ide_.in(port::kCount), 0x34);
  EXPECT_EQ(ide_.in(port::kLbaHigh), 0x67);
}

TEST_F(PioTest, VerifyReadsThroughTheDiskAndMovesNothing) {
  ide_.set48(0, 40);
  EXPECT_EQ(ide_.command(command::kVerifyExt), kReady);
  EXPECT_EQ(controller_.counters(0).disk_requests, 3u);
  EXPECT_EQ(controller_.counters(0).bytes_read, 0u);
  disk_.fail_next(io::IoOp::kRead, io::IoStatus::kMediumError);
  EXPECT_EQ(ide_.command(command::kVerify), kError);
  EXPECT_EQ(ide_.in(port::kError), error_bit::kUncorrectable);
}

}  // namespace
}  // namespace viridian::ide
