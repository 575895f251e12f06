// Bus-master DMA: the PRD table, the engine's status bits, and what stops a transfer.
#include "ide-emu/limits.h"
#include "tests/unit/ide-emu/fake_guest.h"

namespace viridian::ide {
namespace {

class DmaTest : public IdeTest {
 protected:
  uint32_t engine() { return ide_.bar_in(bus_master::kStatus) & 7; }
};
constexpr uint16_t kEnd = kPrdEndOfTable;
constexpr uint32_t kDone = bus_master::kInterrupt;

TEST_F(DmaTest, ReadScattersTheSectorsOverTheTableAndEndsInactiveWithAnInterrupt) {
  put_prds({{kData, 1024}, {kData + 0x4000, 510}, {kData + 0x8000, 514, kEnd}});
  ide_.set48(7, 4);
  EXPECT_EQ(dma(command::kReadDmaExt, true), kReady);
  auto got = guest_bytes(kData, 1024);
  const auto second = guest_bytes(kData + 0x4000, 510), third = guest_bytes(kData + 0x8000, 514);
  got.insert(got.end(), second.begin(), second.end());
  got.insert(got.end(), third.begin(), third.end());
  EXPECT_EQ(got, sectors(7, 4));
  EXPECT_EQ(engine(), kDone);
  EXPECT_EQ(line_.rises(), 1u);
  EXPECT_EQ(controller_.counters(0).dma_reads, 1u);
}

TEST_F(DmaTest, WriteGathersFromTheTable) {
  for (size_t i = 0; i < 1024; ++i)
    memory_bytes_[kData + i] = static_cast<std::byte>(i * 3);
  put_prds({{kData + 512, 512}, {kData, 512, kEnd}});
  ide_.set28(50, 2);
  EXPECT_EQ(dma(command::kWriteDma, false), kReady);
  EXPECT_EQ(sectors(50, 1), guest_bytes(kData + 512, 512));
  EXPECT_EQ(sectors(51, 1), guest_bytes(kData, 512));
}

TEST_F(DmaTest, EngineMayBeStartedBeforeTheCommand) {
  put_prds({{kData, 512, kEnd}});
  ide_.prepare_dma(kTable, true);
  ide_.start();
  EXPECT_EQ(engine(), bus_master::kActive);
  ide_.set28(3, 1);
  EXPECT_EQ(ide_.command(command::kReadDma), kReady);
  EXPECT_EQ(guest_bytes(kData, 512), sectors(3, 1));
}

TEST_F(DmaTest, ByteCountOfZeroIsSixtyFourKibAndOddBitsAreIgnored) {
  put_prds({{kData + 1, 0, kEnd}});
  ide_.set28(0, 128);
  EXPECT_EQ(dma(command::kReadDma, true), kReady);
  EXPECT_EQ(guest_bytes(kData, 65536), sectors(0, 128));
  put_prds({{kData, 513, kEnd}});
  ide_.set28(9, 1);
  EXPECT_EQ(dma(command::kReadDma, true), kReady);
  EXPECT_EQ(engine(), kDone);
}

TEST_F(DmaTest, TableLongerThanTheTransferStaysActiveWithTheInterrupt) {
  put_prds({{kData, 1024, kEnd}});
  ide_.set28(0, 1);
  EXPECT_EQ(dma(command::kReadDma, true), kReady);
  EXPECT_EQ(engine(), bus_master::kActive | kDone);
  ide_.stop();
  EXPECT_EQ(engine(), kDone);
}

// OpenVMM #633: a table that ends before the drive does.
TEST_F(DmaTest, TableShorterThanTheTransferLeavesTheDriveBusyWithoutInterruptUntilItIsReset) {
  put_prds({{kData, 512, kEnd}});
  ide_.set28(4, 2);
  ide_.prepare_dma(kTable, true);
  ide_.out(port::kCommand, command::kReadDma);
  ide_.start();
  settle();
  EXPECT_EQ(engine(), 0u);  // not active, no error, no interrupt
  EXPECT_NE(ide_.alternate_status() & status_bit::kBusy, 0);
  EXPECT_EQ(line_.rises(), 0u);
  EXPECT_EQ(guest_bytes(kData, 512), sectors(4, 1));
  EXPECT_EQ(guest_bytes(kData + 512, 512), std::vector<std::byte>(512));
  ide_.control(control_bit::kSoftReset);
  ide_.control(0);
  EXPECT_EQ(ide_.wait(), kReady);
  ide_.set28(4, 1);
  EXPECT_EQ(dma(command::kReadDma, true), kReady);
}

TEST_F(DmaTest, StoppingAnEngineWhoseTableEndedAbortsTheCommand) {
  put_prds({{kData, 512, kEnd}});
  ide_.set28(4, 2);
  ide_.prepare_dma(kTable, true);
  ide_.out(port::kCommand, command::kReadDma);
  ide_.start();
  settle();
  ide_.stop();
  EXPECT_EQ(ide_.wait(), kError);
  EXPECT_EQ(ide_.in(port::kError), error_bit::kAbort);
}

TEST_F(DmaTest, EntryThatIsNoMemoryFailsTheEngineAndTheCommandAndMovesNothing) {
  put_prds({{kData, 512}, {0xF0000000, 512, kEnd}});
  ide_.set28(0, 2);
  EXPECT_EQ(dma(command::kReadDma, true), kError);
  EXPECT_EQ(ide_.in(port::kError), error_bit::kAbort);
  EXPECT_EQ(engine(), bus_master::kError | bus_master::kInterrupt);
  EXPECT_EQ(guest_bytes(kData, 512), std::vector<std::byte>(512));
  EXPECT_EQ(controller_.counters(0).bad_prd_tables, 1u);
}

TEST_F(DmaTest, TableThatIsNoMemoryFails) {
  ide_.set28(0, 1);
  ide_.prepare_dma(0xFFFFFFFC, true);
  ide_.out(port::kCommand, command::kReadDma);
  ide_.start();
  EXPECT_EQ(ide_.wait(), kError);
}

TEST_F(DmaTest, TableThatLeavesItsSixtyFourKibFails) {
  put_prds({{kData, 512}}, 0xFFF8);
  put_prds({{kData + 512, 512, kEnd}}, 0x10000);
  ide_.set28(0, 2);
  ide_.prepare_dma(0xFFF8, true);
  ide_.out(port::kCommand, command::kReadDma);
  ide_.start();
  EXPECT_EQ(ide_.wait(), kError);
  EXPECT_EQ(engine(), bus_master::kError | bus_master::kInterrupt);
}

TEST_F(DmaTest, WrongDirectionFailsAndWritesNothing) {
  put_prds({{kData, 512, kEnd}});
  ide_.set28(0, 1);
  EXPECT_EQ(dma(command::kReadDma, false), kError);
  EXPECT_EQ(guest_bytes(kData, 512), std::vector<std::byte>(512));
}

TEST_F(DmaTest, SectorInManyTinyEntriesArrivesWhole) {
  std::vector<GuestChannel::Prd> prds;
  constexpr uint32_t kPieces = 3 * 256;
  for (uint32_t i = 0; i < kPieces; ++i)
    prds.push_back({kData + 4 * i, 2, i + 1 == kPieces ? kEnd : uint16_t{0}});
  put_prds(prds);
  ide_.set28(20, 3);
  EXPECT_EQ(dma(command::kReadDma, true), kReady);
  std::vector<std::byte> got;
  for (uint32_t i = 0; i < kPieces; ++i) {
    got.push_back(memory_bytes_[kData + 4 * i]);
    got.push_back(memory_bytes_[kData + 4 * i + 1]);
  }
  EXPECT_EQ(got, sectors(20, 3));
  EXPECT_EQ(controller_.counters(0).disk_requests, 2u);  // two sectors fill the segments
}

TEST_F(DmaTest, LongTransferIsSplitIntoBoundedDiskRequests) {
  std::vector<GuestChannel::Prd> prds;
  constexpr uint32_t kSectorsToRead = 2 * kMaxDmaRequestBytes / 512 + 8;
  for (uint32_t i = 0; i < 33; ++i)  // all into the same memory: what counts is the split
    prds.push_back({0x20000, 0, i == 32 ? kEnd : uint16_t{0}});
  put_prds(prds);
  ide_.set48(0, kSectorsToRead);
  EXPECT_EQ(dma(command::kReadDmaExt, true), kReady);
  EXPECT_EQ(controller_.counters(0).disk_requests, 3u);
  EXPECT_EQ(controller_.counters(0).bytes_read, uint64_t{kSectorsToRead} * 512);
}

TEST_F(DmaTest, TransferWaitsUntilTheFunctionMayMasterTheBus) {
  {
    pci::GateHold hold(controller_.gate());
    controller_.config_write(pci::reg::kCommand, 2, pci::command::kIoSpace);
  }
  put_prds({{kData, 512, kEnd}});
  ide_.set28(3, 1);
  ide_.prepare_dma(kTable, true);
  ide_.out(port::kCommand, command::kReadDma);
  ide_.start();
  settle();
  EXPECT_EQ(guest_bytes(kData, 512), std::vector<std::byte>(512));
  {
    pci::GateHold hold(controller_.gate());
    controller_.config_write(pci::reg::kCommand, 2,
                             pci::command::kIoSpace | pci::command::kBusMaster);
  }
  EXPECT_EQ(ide_.wait(), kReady);
  EXPECT_EQ(guest_bytes(kData, 512), sectors(3, 1));
}

TEST_F(DmaTest, StopWhileARequestIsOutEndsTheCommandOnlyWithTheRequest) {
  put_prds({{kData, 512, kEnd}});
  disk_.hold();
  ide_.set28(3, 1);
  ide_.prepare_dma(kTable, true);
  ide_.out(port::kCommand, command::kReadDma);
  ide_.start();
  settle();
  ide_.stop();
  EXPECT_EQ(engine(), 0u);
  settle();
  EXPECT_NE(ide_.alternate_status() & status_bit::kBusy, 0);
  EXPECT_FALSE(controller_.idle());
  disk_.release();
  EXPECT_EQ(ide_.wait(), kError);
  EXPECT_EQ(ide_.in(port::kError), error_bit::kAbort);
  EXPECT_TRUE(controller_.idle());
}

TEST_F(DmaTest, ResetWhileARequestIsOutEndsOnlyWithTheRequestAndForgetsItsResult) {
  put_prds({{kData, 512, kEnd}});
  disk_.hold();
  ide_.set28(3, 1);
  ide_.prepare_dma(kTable, true);
  ide_.out(port::kCommand, command::kReadDma);
  ide_.start();
  settle();
  ide_.stop();
  ide_.control(control_bit::kSoftReset);
  ide_.control(0);
  settle();
  EXPECT_EQ(ide_.alternate_status(), status_bit::kBusy);
  disk_.release();
  EXPECT_EQ(ide_.wait(), kReady);
  EXPECT_EQ(line_.rises(), 0u);
  EXPECT_EQ(ide_.in(port::kLbaLow), 1);  // the signature, not the command
  EXPECT_EQ(ide_.in(port::kError), error_bit::kDiagnosticPassed);
}

// OpenVMM #3535: which drive a command is for is read once.
TEST_F(DmaTest, SelectingTheOtherDriveDuringACommandDoesNotMoveIt) {
  io::RamDisk other(*reactor_, 64);
  ASSERT_TRUE(controller_.attach_disk(0, 1, other, {}));
  put_prds({{kData, 512, kEnd}});
  disk_.hold();
  ide_.set28(3, 1);
  ide_.prepare_dma(kTable, true);
  ide_.out(port::kCommand, command::kReadDma);
  ide_.start();
  settle();
  ide_.set28(60, 7, 1);
  ide_.out(port::kCommand, command::kWriteDma);  // not taken: the channel is busy
  disk_.release();
  ide_.wait();
  EXPECT_FALSE(line_.level());  // the interrupt is drive 0's, and drive 1 is selected
  ide_.select(0);
  EXPECT_TRUE(line_.level());
  EXPECT_EQ(ide_.in(port::kStatus), kReady);
  EXPECT_EQ(guest_bytes(kData, 512), sectors(3, 1));
  EXPECT_EQ(controller_.counters(0).dma_writes, 0u);
}

}  // namespace
}  // namespace viridian::ide
