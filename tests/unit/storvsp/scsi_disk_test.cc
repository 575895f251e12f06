#include "storvsp/scsi_disk.h"

#include "storvsp/limits.h"
#include "tests/unit/storvsp/scsi_fixture.h"

namespace viridian::storvsp {
namespace {

class ScsiDiskTest : public ScsiTest {
 protected:
  ScsiResult run(std::initializer_list<uint8_t> cdb, Bytes data = {}) {
    return run_scsi(*reactor_, disk_, cdb, std::move(data));
  }
  ScsiDisk disk_{*reactor_, fault_};
};

// --- SBC-3 5.11 to 5.14: reads and writes ------------------------------------------------------

TEST_F(ScsiDiskTest, EachFormOfReadReturnsTheBlocksItNames) {
  const Bytes wanted = sectors(3, 2);
  const auto check = [&](const ScsiResult& result) {
    EXPECT_TRUE(result.good());
    EXPECT_EQ(result.transferred, 1024u);
    EXPECT_EQ(result.data, wanted);
  };
  check(run({0x08, 0, 0, 3, 2, 0}, Bytes(1024)));
  check(run({0x28, 0, 0, 0, 0, 3, 0, 0, 2, 0}, Bytes(1024)));
  check(run({0xa8, 0, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0}, Bytes(1024)));
  check(run({0x88, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0}, Bytes(1024)));
}

TEST_F(ScsiDiskTest, EachFormOfWriteChangesTheBlocksItNames) {
  uint8_t fill = 1;
  const auto check = [&](std::initializer_list<uint8_t> cdb) {
    const Bytes before = sectors(4, 1);
    const ScsiResult result = run(cdb, Bytes(1024, ++fill));
    EXPECT_TRUE(result.good());
    EXPECT_EQ(result.transferred, 1024u);
    EXPECT_EQ(sectors(5, 2), Bytes(1024, fill));
    EXPECT_EQ(sectors(4, 1), before);
  };
  check({0x0a, 0, 0, 5, 2, 0});
  check({0x2a, 0, 0, 0, 0, 5, 0, 0, 2, 0});
  check({0xaa, 0, 0, 0, 0, 5, 0, 0, 0, 2, 0, 0});
  check({0x8a, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 2, 0, 0});
}

TEST_F(ScsiDiskTest, ReadSixOfLengthZeroMeans256Blocks) {
  const ScsiResult result = run({0x08, 0, 0, 0, 0, 0}, Bytes(256 * 512));
  EXPECT_TRUE(result.good());
  EXPECT_EQ(result.transferred, 256u * 512);
  EXPECT_EQ(result.data, sectors(0, 256));
}

TEST_F(ScsiDiskTest, ReadTenOfLengthZeroMovesNothing) {
  const ScsiResult result = run({0x28, 0, 0, 0, 0, 3, 0, 0, 0, 0}, Bytes(512, 9));
  EXPECT_TRUE(result.good());
  EXPECT_EQ(result.transferred, 0u);
  EXPECT_EQ(result.data, Bytes(512, 9));
}

TEST_F(ScsiDiskTest, LongerBufferIsUsedOnlyAsFarAsTheBlocksGo) {
  const ScsiResult result = run({0x28, 0, 0, 0, 0, 3, 0, 0, 1, 0}, Bytes(2048, 9));
  EXPECT_TRUE(result.good());
  EXPECT_EQ(result.transferred, 512u);
  Bytes wanted = sectors(3, 1);
  wanted.resize(2048, 9);
  EXPECT_EQ(result.data, wanted);
}

TEST_F(ScsiDiskTest, ShorterBufferThanTheBlocksIsAnInvalidField) {
  EXPECT_TRUE(
      run({0x28, 0, 0, 0, 0, 0, 0, 0, 2, 0}, Bytes(1023)).failed_with(sense::kInvalidFieldInCdb));
  EXPECT_TRUE(run({0x88, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0}, Bytes(512))
                  .failed_with(sense::kInvalidFieldInCdb));
}

TEST_F(ScsiDiskTest, LastBlockIsReadableAndTheNextIsOutOfRange) {
  EXPECT_TRUE(run({0x28, 0, 0, 0, 3, 0xff, 0, 0, 1, 0}, Bytes(512)).good());
  EXPECT_TRUE(
      run({0x28, 0, 0, 0, 3, 0xff, 0, 0, 2, 0}, Bytes(1024)).failed_with(sense::kOutOfRange));
  EXPECT_TRUE(
      run({0x8a, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1, 0, 0}, Bytes(512))
          .failed_with(sense::kOutOfRange));
}

TEST_F(ScsiDiskTest, ForcedUnitAccessReachesTheDisk) {
  EXPECT_TRUE(run({0x2a, 0x08, 0, 0, 0, 0, 0, 0, 1, 0}, Bytes(512)).good());
  EXPECT_TRUE(described_.last_fua);
  EXPECT_TRUE(run({0x2a, 0, 0, 0, 0, 0, 0, 0, 1, 0}, Bytes(512)).good());
  EXPECT_FALSE(described_.last_fua);
}

TEST_F(ScsiDiskTest, ProtectionInformationIsAnInvalidField) {
  EXPECT_TRUE(
      run({0x28, 0x20, 0, 0, 0, 0, 0, 0, 1, 0}, Bytes(512)).failed_with(sense::kInvalidFieldInCdb));
}

TEST_F(ScsiDiskTest, WriteToAReadOnlyDiskIsWriteProtected) {
  described_.said.read_only = true;
  EXPECT_TRUE(
      run({0x2a, 0, 0, 0, 0, 0, 0, 0, 1, 0}, Bytes(512)).failed_with(sense::kWriteProtected));
}

// SPC-4 table 28: what the host cannot do becomes the sense data that says so.
TEST_F(ScsiDiskTest, ErrorOfTheDiskBecomesItsSenseData) {
  const auto fails = [&](io::IoOp op, io::IoStatus status, std::initializer_list<uint8_t> cdb,
                         Sense why) {
    fault_.fail_next(op, status);
    EXPECT_TRUE(run(cdb, Bytes(512)).failed_with(why)) << static_cast<int>(status);
  };
  const auto read = {uint8_t{0x28}, uint8_t{0}, uint8_t{0}, uint8_t{0}, uint8_t{0},
                     uint8_t{0},    uint8_t{0}, uint8_t{0}, uint8_t{1}, uint8_t{0}};
  const auto write = {uint8_t{0x2a}, uint8_t{0}, uint8_t{0}, uint8_t{0}, uint8_t{0},
                      uint8_t{0},    uint8_t{0}, uint8_t{0}, uint8_t{1}, uint8_t{0}};
  fails(io::IoOp::kRead, io::IoStatus::kMediumError, read, sense::kReadError);
  fails(io::IoOp::kWrite, io::IoStatus::kMediumError, write, sense::kWriteError);
  fails(io::IoOp::kWrite, io::IoStatus::kNoSpace, write, sense::kSpaceAllocationFailed);
  fails(io::IoOp::kWrite, io::IoStatus::kReadOnly, write, sense::kWriteProtected);
  fails(io::IoOp::kRead, io::IoStatus::kAborted, read, sense::kAborted);
  fails(io::IoOp::kRead, io::IoStatus::kInvalid, read, sense::kInvalidFieldInCdb);
  EXPECT_TRUE(run(read, Bytes(512)).good());
}

// --- SBC-3 5.22, 5.32: flush and verify --------------------------------------------------------

TEST_F(ScsiDiskTest, SynchronizeCacheFlushesTheDisk) {
  for (const bool long_form : {false, true}) {
    fault_.fail_next(io::IoOp::kFlush, io::IoStatus::kMediumError);
    const auto flush = [&] {
      return long_form ? run({0x91, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
                       : run({0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0});
    };
    EXPECT_TRUE(flush().failed_with(sense::kWriteError));
    EXPECT_TRUE(flush().good());
  }
}

TEST_F(ScsiDiskTest, SynchronizeCacheBehindTheEndIsOutOfRange) {
  EXPECT_TRUE(run({0x35, 0, 0, 0, 4, 0, 0, 0, 1, 0}).failed_with(sense::kOutOfRange));
}

TEST_F(ScsiDiskTest, VerifyChecksTheRangeAndRefusesToCompare) {
  EXPECT_TRUE(run({0x2f, 0, 0, 0, 0, 0, 0, 4, 0, 0}).good());
  EXPECT_TRUE(run({0x2f, 0, 0, 0, 0, 1, 0, 4, 0, 0}).failed_with(sense::kOutOfRange));
  EXPECT_TRUE(
      run({0x2f, 2, 0, 0, 0, 0, 0, 0, 1, 0}, Bytes(512)).failed_with(sense::kInvalidFieldInCdb));
  EXPECT_TRUE(run({0x8f, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0}).good());
  EXPECT_TRUE(
      run({0x8f, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 4, 0, 0, 0}).failed_with(sense::kOutOfRange));
}

// --- SBC-3 5.45, 5.28: WRITE SAME and UNMAP ----------------------------------------------------

TEST_F(ScsiDiskTest, WriteSameOfZeroesZeroesItsBlocksWithAndWithoutUnmap) {
  EXPECT_TRUE(run({0x41, 0, 0, 0, 0, 8, 0, 0, 2, 0}, Bytes(512)).good());
  EXPECT_EQ(described_.last_op, io::IoOp::kWriteZeroes);
  EXPECT_EQ(sectors(8, 2), Bytes(1024));
  EXPECT_NE(sectors(10, 1), Bytes(512));
  const ScsiResult unmapped =
      run({0x93, 0x08, 0, 0, 0, 0, 0, 0, 0, 12, 0, 0, 0, 2, 0, 0}, Bytes(512));
  EXPECT_TRUE(unmapped.good());
  EXPECT_EQ(unmapped.transferred, 512u);
  EXPECT_EQ(sectors(12, 2), Bytes(1024));
}

TEST_F(ScsiDiskTest, WriteSameWithoutDataOutZeroesItsBlocks) {
  EXPECT_TRUE(run({0x93, 0x01, 0, 0, 0, 0, 0, 0, 0, 12, 0, 0, 0, 2, 0, 0}).good());
  EXPECT_EQ(sectors(12, 2), Bytes(1024));
  // The short form has no NDOB bit: its block is missing.
  EXPECT_TRUE(run({0x41, 0x01, 0, 0, 0, 8, 0, 0, 2, 0}).failed_with(sense::kInvalidFieldInCdb));
}

TEST_F(ScsiDiskTest, WriteSameRefusesPatternsLengthZeroAndMoreThanItsLimit) {
  EXPECT_TRUE(run({0x41, 0, 0, 0, 0, 8, 0, 0, 2, 0}, Bytes(512, 1))
                  .failed_with(sense::kInvalidFieldInParameters));
  EXPECT_TRUE(
      run({0x41, 0, 0, 0, 0, 8, 0, 0, 0, 0}, Bytes(512)).failed_with(sense::kInvalidFieldInCdb));
  EXPECT_TRUE(run({0x93, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1, 0, 0})
                  .failed_with(sense::kInvalidFieldInCdb));
  EXPECT_TRUE(
      run({0x93, 1, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 1, 0, 0}).failed_with(sense::kOutOfRange));
}

Bytes unmap_list(std::initializer_list<std::pair<uint64_t, uint32_t>> ranges) {
  UnmapHeader header{};
  header.data_length = static_cast<uint16_t>(6 + 16 * ranges.size());
  header.descriptor_length = static_cast<uint16_t>(16 * ranges.size());
  Bytes bytes(sizeof(header));
  std::memcpy(bytes.data(), &header, sizeof(header));
  for (const auto& [lba, count] : ranges) {
    UnmapDescriptor descriptor{};
    descriptor.lba = lba;
    descriptor.count = count;
    bytes.resize(bytes.size() + sizeof(descriptor));
    std::memcpy(bytes.data() + bytes.size() - sizeof(descriptor), &descriptor, sizeof(descriptor));
  }
  return bytes;
}

TEST_F(ScsiDiskTest, UnmapDiscardsEachOfItsRanges) {
  const Bytes kept = sectors(23, 1);
  const ScsiResult result =
      run({0x42, 0, 0, 0, 0, 0, 0, 0, 56, 0}, unmap_list({{20, 3}, {0, 0}, {24, 1}}));
  EXPECT_TRUE(result.good());
  EXPECT_EQ(result.transferred, 56u);
  EXPECT_EQ(sectors(20, 3), Bytes(3 * 512));
  EXPECT_EQ(sectors(24, 1), Bytes(512));
  EXPECT_EQ(sectors(23, 1), kept);
}

TEST_F(ScsiDiskTest, UnmapOfNothingIsGood) {
  EXPECT_TRUE(run({0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0}).good());
  EXPECT_TRUE(run({0x42, 0, 0, 0, 0, 0, 0, 0, 8, 0}, unmap_list({})).good());
}

TEST_F(ScsiDiskTest, UnmapIgnoresADescriptorThatIsOnlyPartlySent) {
  const Bytes kept = sectors(24, 1);
  EXPECT_TRUE(run({0x42, 0, 0, 0, 0, 0, 0, 0, 39, 0}, unmap_list({{20, 3}, {24, 1}})).good());
  EXPECT_EQ(sectors(20, 3), Bytes(3 * 512));
  EXPECT_EQ(sectors(24, 1), kept);
}

TEST_F(ScsiDiskTest, UnmapRefusesWhatItsLimitsForbid) {
  EXPECT_TRUE(
      run({0x42, 0, 0, 0, 0, 0, 0, 0, 7, 0}, Bytes(7)).failed_with(sense::kParameterListLength));
  EXPECT_TRUE(
      run({0x42, 0, 0, 0, 0, 0, 0, 0, 24, 0}, Bytes(8)).failed_with(sense::kParameterListLength));
  EXPECT_TRUE(run({0x42, 1, 0, 0, 0, 0, 0, 0, 24, 0}, unmap_list({{20, 3}}))
                  .failed_with(sense::kInvalidFieldInCdb));
  EXPECT_TRUE(run({0x42, 0, 0, 0, 0, 0, 0, 0, 24, 0}, unmap_list({{0, kMaxUnmapSectors + 1}}))
                  .failed_with(sense::kInvalidFieldInParameters));
  EXPECT_TRUE(run({0x42, 0, 0, 0, 0, 0, 0, 0, 24, 0}, unmap_list({{kSectors, 1}}))
                  .failed_with(sense::kOutOfRange));
  Bytes many = unmap_list({{0, 1}});
  many.resize(8 + 16 * (kMaxUnmapDescriptors + 1));
  many[2] = static_cast<uint8_t>((many.size() - 8) >> 8);
  many[3] = static_cast<uint8_t>(many.size() - 8);
  const auto high = static_cast<uint8_t>(many.size() >> 8);
  const auto low = static_cast<uint8_t>(many.size());
  EXPECT_TRUE(run({0x42, 0, 0, 0, 0, 0, 0, high, low, 0}, many)
                  .failed_with(sense::kInvalidFieldInParameters));
}

TEST_F(ScsiDiskTest, UnmapIsUnknownToADiskThatCannotDiscard) {
  described_.said.discard_granularity = 0;
  EXPECT_TRUE(run({0x42, 0, 0, 0, 0, 0, 0, 0, 24, 0}, unmap_list({{20, 3}}))
                  .failed_with(sense::kInvalidOperation));
}

// --- SBC-3 5.15, 5.16: capacity ----------------------------------------------------------------

TEST_F(ScsiDiskTest, CapacityIsTheLastBlockAndTheBlockSize) {
  const ScsiResult ten = run({0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0}, Bytes(8));
  EXPECT_EQ(ten.be(0, 4), kSectors - 1);
  EXPECT_EQ(ten.be(4, 4), 512u);
  described_.said.physical_sector_size = 4096;
  const ScsiResult sixteen =
      run({0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0}, Bytes(32));
  EXPECT_EQ(sixteen.transferred, 32u);
  EXPECT_EQ(sixteen.be(0, 8), kSectors - 1);
  EXPECT_EQ(sixteen.be(8, 4), 512u);
  EXPECT_EQ(sixteen.data[13], 3);     // 2^3 logical blocks for each physical one
  EXPECT_EQ(sixteen.data[14], 0x80);  // LBPME
}

TEST_F(ScsiDiskTest, CapacityBeyondTenBytesSaysAskWithSixteen) {
  described_.said.sector_count = uint64_t{1} << 33;
  EXPECT_EQ(run({0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0}, Bytes(8)).be(0, 4), 0xffffffffu);
  EXPECT_EQ(run({0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0}, Bytes(32)).be(0, 8),
            (uint64_t{1} << 33) - 1);
}

TEST_F(ScsiDiskTest, OtherServiceActionsAreAnInvalidField) {
  EXPECT_TRUE(run({0x9e, 0x12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0}, Bytes(32))
                  .failed_with(sense::kInvalidFieldInCdb));
}

// --- SPC-4: readiness, sense, attention --------------------------------------------------------

TEST_F(ScsiDiskTest, DiskIsAlwaysReadyAndStopFlushesIt) {
  EXPECT_TRUE(run({0, 0, 0, 0, 0, 0}).good());
  EXPECT_TRUE(run({0x1b, 0, 0, 0, 1, 0}).good());
  fault_.fail_next(io::IoOp::kFlush, io::IoStatus::kMediumError);
  EXPECT_TRUE(run({0x1b, 0, 0, 0, 0, 0}).failed_with(sense::kWriteError));
  EXPECT_TRUE(run({0x1b, 0, 0, 0, 2, 0}).failed_with(sense::kInvalidFieldInCdb));
}

TEST_F(ScsiDiskTest, UnitAttentionIsReportedOnceAndNotToInquiry) {
  disk_.raise(sense::kCapacityChanged);
  EXPECT_TRUE(run({0x12, 0, 0, 0, 36, 0}, Bytes(36)).good());
  EXPECT_TRUE(
      run({0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0}, Bytes(512)).failed_with(sense::kCapacityChanged));
  EXPECT_TRUE(run({0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0}, Bytes(512)).good());
}

TEST_F(ScsiDiskTest, RequestSenseReturnsAndClearsAnAttention) {
  disk_.raise(sense::kCapacityChanged);
  const ScsiResult first = run({0x03, 0, 0, 0, 18, 0}, Bytes(18));
  EXPECT_TRUE(first.good());
  EXPECT_EQ(first.data[0], 0x70);
  EXPECT_EQ(first.data[2], 0x06);
  EXPECT_EQ(first.data[7], 10);
  EXPECT_EQ(first.data[12], 0x2a);
  EXPECT_EQ(first.data[13], 0x09);
  const ScsiResult second = run({0x03, 0, 0, 0, 18, 0}, Bytes(18));
  EXPECT_EQ(second.data[2], 0);
  EXPECT_TRUE(run({0, 0, 0, 0, 0, 0}).good());
  EXPECT_TRUE(run({0x03, 1, 0, 0, 18, 0}, Bytes(18)).failed_with(sense::kInvalidFieldInCdb));
}

TEST_F(ScsiDiskTest, UnknownCommandsAreInvalidOperations) {
  // FORMAT UNIT, LOG SENSE, PERSISTENT RESERVE IN, variable length, MAINTENANCE IN, vendor.
  for (const uint8_t operation : Bytes{0x04, 0x4d, 0x5e, 0x7f, 0xa3, 0xff}) {
    EXPECT_TRUE(run({operation}, Bytes(512)).failed_with(sense::kInvalidOperation))
        << int{operation};
  }
}

}  // namespace
}  // namespace viridian::storvsp
