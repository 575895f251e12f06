// The commands of an ATA disk: what it says of itself, settings, power, SMART, and errors.
#include <bitset>
#include <numeric>

#include "tests/unit/ide-emu/fake_guest.h"

namespace viridian::ide {
namespace {

class AtaCommandTest : public IdeTest {
 protected:
  std::array<uint16_t, 256> identify() {
    ide_.select(0);
    EXPECT_EQ(ide_.command(command::kIdentify), kDataRequest);
    const auto bytes = ide_.ins(512);
    EXPECT_EQ(ide_.wait(), kReady);
    std::array<uint16_t, 256> words;
    for (size_t i = 0; i < words.size(); ++i)
      words[i] = *read_wire<le16>(bytes, 2 * i);
    return words;
  }
  uint8_t set_feature(unsigned what, unsigned count = 0) {
    ide_.set28(0, count);
    ide_.out(port::kFeatures, what);
    return ide_.command(command::kSetFeatures);
  }
  uint8_t smart(unsigned what, unsigned log = 0) {
    ide_.set28(0xC24F00 | log, 1);
    ide_.out(port::kFeatures, what);
    return ide_.command(command::kSmart);
  }
  unsigned sum(std::span<const std::byte> bytes) {
    return std::accumulate(bytes.begin(), bytes.end(), 0u,
                           [](unsigned a, std::byte b) { return a + unsigned(b); }) &
           0xFF;
  }
};

TEST_F(AtaCommandTest, IdentifyTellsWhatTheDiskIsAndSumsToZero) {
  const auto words = identify();
  EXPECT_EQ(words[0] & 0x8000, 0);
  EXPECT_EQ(words[10], 'S' << 8 | '1');
  EXPECT_EQ(words[27], 'V' << 8 | 'i');
  EXPECT_EQ(words[60] | words[61] << 16, int{kSectors});
  EXPECT_EQ(words[100], kSectors);
  EXPECT_EQ(words[47], 0x8010);
  EXPECT_EQ(words[49] & 0x0300, 0x0300);  // DMA, LBA
  EXPECT_EQ(words[80], 0x00FE);
  EXPECT_EQ(words[83] & 0x7400, 0x7400);
  EXPECT_EQ(words[128], 0);  // no security
  ide_.command(command::kIdentify);
  EXPECT_EQ(sum(ide_.ins(512)), 0u);
}

TEST_F(AtaCommandTest, IdentifyFollowsTheSettings) {
  EXPECT_EQ(set_feature(feature::kSetTransferMode, 0x42), kReady);
  EXPECT_EQ(set_feature(feature::kDisableWriteCache), kReady);
  EXPECT_EQ(set_feature(feature::kDisableReadAhead), kReady);
  ide_.set28(0, 8);
  ide_.command(command::kSetMultiple);
  auto words = identify();
  EXPECT_EQ(words[88], 0x0407);
  EXPECT_EQ(words[63], 0x0007);
  EXPECT_EQ(words[85] & 0x60, 0);
  EXPECT_EQ(words[59], 0x0108);
  EXPECT_EQ(set_feature(feature::kSetTransferMode, 0x21), kReady);
  words = identify();
  EXPECT_EQ(words[63], 0x0207);
  EXPECT_EQ(words[88], 0x0007);
}

TEST_F(AtaCommandTest, ModesThatThePiix4CannotClockAreAborted) {
  for (unsigned mode : {0x00U, 0x01U, 0x08U, 0x0CU, 0x20U, 0x22U, 0x40U, 0x42U})
    EXPECT_EQ(set_feature(feature::kSetTransferMode, mode), kReady) << mode;
  for (unsigned mode : {0x02U, 0x0DU, 0x10U, 0x23U, 0x43U, 0x45U, 0xFFU})
    EXPECT_EQ(set_feature(feature::kSetTransferMode, mode), kError) << mode;
  EXPECT_EQ(set_feature(0x05), kError);  // no APM
}

TEST_F(AtaCommandTest, SetMultipleTakesPowersOfTwoUpToSixteen) {
  for (unsigned count : {1U, 2U, 4U, 8U, 16U, 0U}) {
    ide_.set28(0, count);
    EXPECT_EQ(ide_.command(command::kSetMultiple), kReady) << count;
  }
  for (unsigned count : {3U, 17U, 32U, 255U}) {
    ide_.set28(0, count);
    EXPECT_EQ(ide_.command(command::kSetMultiple), kError) << count;
  }
}

// OpenVMM #3133: exactly the documented commands are taken; every other code is aborted at once,
// moves nothing, and leaves the drive ready for the next.
TEST_F(AtaCommandTest, EveryCodeThatTheDiskDoesNotListIsAborted) {
  std::bitset<256> known;
  for (unsigned code :
       {0x10U, 0x20U, 0x21U, 0x24U, 0x25U, 0x27U, 0x29U, 0x30U, 0x31U, 0x34U, 0x35U, 0x39U,
        0x3DU, 0x40U, 0x41U, 0x42U, 0x70U, 0x90U, 0x91U, 0x94U, 0x95U, 0x96U, 0x97U, 0x98U,
        0x99U, 0xB0U, 0xC4U, 0xC5U, 0xC6U, 0xC8U, 0xC9U, 0xCAU, 0xCBU, 0xCEU, 0xE0U, 0xE1U,
        0xE2U, 0xE3U, 0xE5U, 0xE6U, 0xE7U, 0xEAU, 0xECU, 0xEFU, 0xF8U})
    known.set(code);
  const auto before = sectors(0, 256);
  for (unsigned code = 0; code < 256; ++code) {
    if (known[code]) continue;
    const unsigned rises = line_.rises();
    ide_.set28(0, 1);
    EXPECT_EQ(ide_.command(code), kError) << code;
    EXPECT_EQ(ide_.in(port::kError), error_bit::kAbort) << code;
    EXPECT_EQ(line_.rises(), rises + 1) << code;
    ide_.in(port::kStatus);
  }
  EXPECT_EQ(controller_.counters(0).disk_requests, 0u);
  EXPECT_EQ(sectors(0, 256), before);
}

TEST_F(AtaCommandTest, EveryListedNonMediaCommandSucceeds) {
  for (unsigned code :
       {0x10U, 0x70U, 0x94U, 0x95U, 0x96U, 0x97U, 0xE0U, 0xE1U, 0xE2U, 0xE3U, 0xE7U, 0xEAU})
    EXPECT_EQ(ide_.command(code), kReady) << code;
}

TEST_F(AtaCommandTest, RangeBeyondTheDiskIsIdNotFoundAtItsFirstBadSector) {
  ide_.set48(kSectors - 1, 2);
  for (unsigned code : {command::kReadSectorsExt, command::kReadDmaExt, command::kWriteSectorsExt,
                        command::kWriteDmaExt, command::kWriteDmaFuaExt, command::kVerifyExt}) {
    ide_.set48(kSectors - 1, 2);
    EXPECT_EQ(ide_.command(code), kError) << code;
    EXPECT_EQ(ide_.in(port::kError), error_bit::kIdNotFound);
    EXPECT_EQ(ide_.in(port::kLbaLow) | ide_.in(port::kLbaMid) << 8, int{kSectors});
  }
  ide_.set48(0xFFFFFFFFFFFF, 0);
  EXPECT_EQ(ide_.command(command::kReadDmaExt), kError);
  ide_.set48(kSectors - 1, 1);
  EXPECT_EQ(ide_.command(command::kReadSectorsExt), kDataRequest);
}

TEST_F(AtaCommandTest, MediumErrorOnAReadIsUncorrectableWithTheSector) {
  ide_.set28(40, 3);
  ide_.command(command::kReadSectors);
  disk_.fail_next(io::IoOp::kRead, io::IoStatus::kMediumError);
  ide_.ins(512);
  EXPECT_EQ(ide_.wait(), kError);
  EXPECT_EQ(ide_.in(port::kError), error_bit::kUncorrectable);
  EXPECT_EQ(ide_.in(port::kLbaLow), 41);
  EXPECT_TRUE(line_.level());
}

TEST_F(AtaCommandTest, FailedWriteAndFailedFlushAreDeviceFaults) {
  disk_.fail_next(io::IoOp::kWrite, io::IoStatus::kNoSpace);
  ide_.set28(40, 1);
  ide_.command(command::kWriteSectors);
  ide_.outs(std::vector<std::byte>(512));
  EXPECT_EQ(ide_.wait(), kError | status_bit::kFault);
  EXPECT_EQ(ide_.in(port::kError), error_bit::kAbort);
  disk_.fail_next(io::IoOp::kFlush, io::IoStatus::kMediumError);
  EXPECT_EQ(ide_.command(command::kFlushExt), kError | status_bit::kFault);
  EXPECT_EQ(ide_.command(command::kFlush), kReady);
}

// OpenVMM #3061, #3062: a FUA write is durable by itself, and so is every write without a cache.
TEST_F(AtaCommandTest, FuaAndWritesWithoutAWriteCacheReachTheDiskAsFua) {
  struct Spy final : io::BlockDevice {
    explicit Spy(io::BlockDevice& below) : below_(below) {}
    io::DiskInfo info() const noexcept override { return below_.info(); }
    void submit(io::IoRequest& request) noexcept override {
      fua = request.fua;
      ops.push_back(request.op);
      below_.submit(request);
    }
    io::BlockDevice& below_;
    bool fua = false;
    std::vector<io::IoOp> ops;
  } spy(ram_);
  ASSERT_TRUE(controller_.attach_disk(1, 0, spy, {}));
  auto write = [&](unsigned code, bool pio) {
    put_prds({{kData, 512, kPrdEndOfTable}});
    ide_2_.set48(1, 1);
    if (pio) {
      ide_2_.command(code);
      ide_2_.outs(std::vector<std::byte>(512));
    } else {
      ide_2_.prepare_dma(kTable, false);
      ide_2_.out(port::kCommand, code);
      ide_2_.start();
    }
    EXPECT_EQ(ide_2_.wait(), kReady);
    return spy.fua;
  };
  ide_2_.set28(0, 1);
  ide_2_.command(command::kSetMultiple);
  EXPECT_FALSE(write(command::kWriteDmaExt, false));
  EXPECT_TRUE(write(command::kWriteDmaFuaExt, false));
  EXPECT_FALSE(write(command::kWriteMultipleExt, true));
  EXPECT_TRUE(write(command::kWriteMultipleFuaExt, true));
  ide_2_.out(port::kFeatures, feature::kDisableWriteCache);
  ide_2_.command(command::kSetFeatures);
  EXPECT_TRUE(write(command::kWriteDmaExt, false));
  EXPECT_TRUE(write(command::kWriteSectorsExt, true));
  EXPECT_EQ(ide_2_.command(command::kFlush), kReady);
  EXPECT_EQ(spy.ops.back(), io::IoOp::kFlush);
}

TEST_F(AtaCommandTest, ReadOnlyDiskAbortsWritesBeforeAskingForData) {
  io::RamDisk sealed(*reactor_, 64, true);
  ASSERT_TRUE(controller_.attach_disk(1, 0, sealed, {}));
  ide_2_.set28(0, 1);
  EXPECT_EQ(ide_2_.command(command::kWriteSectors), kError);
  EXPECT_EQ(ide_2_.command(command::kWriteDma), kError);
  EXPECT_EQ(ide_2_.command(command::kReadSectors), kDataRequest);
}

TEST_F(AtaCommandTest, PowerModesAreToldAndOnlyAResetWakesASleepingDrive) {
  ide_.command(command::kStandbyImmediate);
  ide_.command(command::kCheckPower);
  EXPECT_EQ(ide_.in(port::kCount), 0x00);
  ide_.command(command::kIdleImmediate);
  ide_.command(command::kCheckPower);
  EXPECT_EQ(ide_.in(port::kCount), 0xFF);
  EXPECT_EQ(ide_.command(command::kSleep), kReady);
  EXPECT_EQ(ide_.command(command::kIdentify), kError);
  ide_.control(control_bit::kSoftReset);
  ide_.control(0);
  EXPECT_EQ(ide_.command(command::kIdentify), kDataRequest);
}

TEST_F(AtaCommandTest, NativeMaximumIsTheLastSector) {
  ide_.select(0);
  EXPECT_EQ(ide_.command(command::kReadNativeMaxExt), kReady);
  EXPECT_EQ(ide_.in(port::kLbaLow) | ide_.in(port::kLbaMid) << 8, int{kSectors - 1});
  EXPECT_EQ(ide_.command(command::kReadNativeMax), kReady);
  EXPECT_EQ(ide_.in(port::kLbaLow) | ide_.in(port::kLbaMid) << 8, int{kSectors - 1});
}

TEST_F(AtaCommandTest, SmartIsHealthyAndItsPagesSumToZero) {
  EXPECT_EQ(smart(smart::kReturnStatus), kReady);
  EXPECT_EQ(ide_.in(port::kLbaMid), 0x4F);
  EXPECT_EQ(ide_.in(port::kLbaHigh), 0xC2);
  for (unsigned what : {smart::kReadData, smart::kReadThresholds}) {
    ASSERT_EQ(smart(what), kDataRequest);
    EXPECT_EQ(sum(ide_.ins(512)), 0u);
  }
  for (unsigned log : {1u, 6u}) {
    ASSERT_EQ(smart(smart::kReadLog, log), kDataRequest);
    EXPECT_EQ(sum(ide_.ins(512)), 0u);
  }
  EXPECT_EQ(smart(smart::kReadLog, 2), kError);
}

TEST_F(AtaCommandTest, SmartNeedsItsKeyAndCanBeTurnedOff) {
  ide_.set28(0, 1);
  ide_.out(port::kFeatures, smart::kReturnStatus);
  EXPECT_EQ(ide_.command(command::kSmart), kError);
  EXPECT_EQ(smart(smart::kDisable), kReady);
  EXPECT_EQ(smart(smart::kReadData), kError);
  EXPECT_EQ(identify()[85] & 1, 0);
  EXPECT_EQ(smart(smart::kEnable), kReady);
  EXPECT_EQ(smart(smart::kReadData), kDataRequest);
}

TEST_F(AtaCommandTest, CountersTellTheKindsApart) {
  ide_.set28(0, 1);
  ide_.command(command::kReadSectors);
  ide_.ins(512);
  ide_.command(command::kWriteSectors);
  ide_.outs(std::vector<std::byte>(512));
  ide_.wait();
  ide_.command(command::kFlush);
  ide_.command(command::kNop);
  const ChannelCounters counters = controller_.counters(0);
  EXPECT_EQ(counters.pio_reads, 1u);
  EXPECT_EQ(counters.pio_writes, 1u);
  EXPECT_EQ(counters.flushes, 1u);
  EXPECT_EQ(counters.aborted, 1u);
  EXPECT_EQ(counters.bytes_read, 512u);
  EXPECT_EQ(counters.bytes_written, 512u);
  EXPECT_EQ(counters.disk_requests, 3u);
  EXPECT_EQ(counters.interrupts, line_.rises());
}

}  // namespace
}  // namespace viridian::ide
