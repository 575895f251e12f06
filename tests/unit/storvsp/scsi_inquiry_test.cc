// INQUIRY (SPC-4 6.6, 7.8; SBC-3 6.6) and the mode pages (SPC-4 6.11 to 6.14) of a disk.
#include "storvsp/limits.h"
#include "storvsp/scsi_disk.h"
#include "tests/unit/storvsp/scsi_fixture.h"

namespace viridian::storvsp {
namespace {

class ScsiInquiryTest : public ScsiTest {
 protected:
  ScsiInquiryTest() {
    for (uint8_t i = 0; i < 16; ++i)
      described_.said.unique_id[i] = static_cast<uint8_t>(0xa0 + i);
  }
  ScsiResult run(std::initializer_list<uint8_t> cdb, Bytes data = {}) {
    return run_scsi(*reactor_, disk_, cdb, std::move(data), 7);
  }
  ScsiResult page(uint8_t code) { return run({0x12, 1, code, 0, 255, 0}, Bytes(255)); }
  ScsiDisk disk_{*reactor_, described_};
};

TEST_F(ScsiInquiryTest, StandardDataNamesADiskOfHyperV) {
  const ScsiResult result = run({0x12, 0, 0, 0, 96, 0}, Bytes(96, 0xee));
  EXPECT_TRUE(result.good());
  EXPECT_EQ(result.transferred, 36u);
  EXPECT_EQ(result.data[0], 0);      // connected, direct access
  EXPECT_EQ(result.data[1], 0);      // not removable
  EXPECT_EQ(result.data[4], 31);     // 36 bytes in all
  EXPECT_EQ(result.data[7] & 2, 2);  // commands queue
  EXPECT_EQ(result.text(8, 8), "Msft    ");
  EXPECT_EQ(result.text(16, 16), "Virtual Disk    ");
  EXPECT_EQ(result.data[36], 0xee);
}

TEST_F(ScsiInquiryTest, AllocationLengthCutsTheDataAndNotItsLengthField) {
  const ScsiResult result = run({0x12, 0, 0, 0, 5, 0}, Bytes(96, 0xee));
  EXPECT_EQ(result.transferred, 5u);
  EXPECT_EQ(result.data[4], 31);
  EXPECT_EQ(result.data[5], 0xee);
  EXPECT_EQ(run({0x12, 0, 0, 0, 0, 0}, Bytes(96)).transferred, 0u);
  EXPECT_EQ(run({0x12, 0, 0, 1, 0, 0}, Bytes(3)).transferred, 3u);
}

TEST_F(ScsiInquiryTest, SupportedPagesAreExactlyThoseThatAnswer) {
  const ScsiResult list = page(0x00);
  Bytes named(list.data.begin() + 4, list.data.begin() + 4 + static_cast<ptrdiff_t>(list.be(2, 2)));
  EXPECT_EQ(named, (Bytes{0x00, 0x80, 0x83, 0xb0, 0xb1, 0xb2}));
  for (unsigned code = 0; code < 256; ++code) {
    const ScsiResult result = page(static_cast<uint8_t>(code));
    if (std::find(named.begin(), named.end(), code) == named.end()) {
      EXPECT_TRUE(result.failed_with(sense::kInvalidFieldInCdb)) << code;
    } else {
      EXPECT_TRUE(result.good()) << code;
      EXPECT_EQ(result.data[1], code);
      EXPECT_EQ(result.transferred, 4 + result.be(2, 2));
    }
  }
}

TEST_F(ScsiInquiryTest, PageCodeWithoutVitalProductDataIsAnInvalidField) {
  EXPECT_TRUE(run({0x12, 0, 0x80, 0, 36, 0}, Bytes(36)).failed_with(sense::kInvalidFieldInCdb));
}

TEST_F(ScsiInquiryTest, SerialNumberAndDesignatorsComeFromTheDisksId) {
  EXPECT_EQ(page(0x80).text(4, 32), "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf");
  const ScsiResult ids = page(0x83);
  EXPECT_EQ(ids.be(4, 4), 0x01030010u);  // binary, NAA, 16 bytes
  EXPECT_EQ(ids.be(8, 4), 0x60022480u);
  EXPECT_EQ(ids.data[12], 0xa0);
  EXPECT_EQ(ids.be(24, 4), 0x02010028u);  // ASCII, T10 vendor, 40 bytes
  EXPECT_EQ(ids.text(28, 12), "Msft    a0a1");
}

TEST_F(ScsiInquiryTest, DiskWithoutAnIdHasNoDesignatorToShare) {
  described_.said.unique_id = {};
  EXPECT_EQ(page(0x80).be(2, 2), 0u);
  EXPECT_EQ(page(0x83).be(2, 2), 0u);
}

TEST_F(ScsiInquiryTest, BlockLimitsAreThoseThatTheCommandsKeep) {
  described_.said.physical_sector_size = 4096;
  described_.said.discard_granularity = 64;
  const ScsiResult limits = page(0xb0);
  EXPECT_EQ(limits.transferred, 64u);
  EXPECT_EQ(limits.be(6, 2), 8u);
  EXPECT_EQ(limits.be(8, 4) * 512, kMaxTransferBytes);
  EXPECT_EQ(limits.be(20, 4), kMaxUnmapSectors);
  EXPECT_EQ(limits.be(24, 4), kMaxUnmapDescriptors);
  EXPECT_EQ(limits.be(28, 4), 64u);
  EXPECT_EQ(limits.be(32, 4), 0x80000000u);
  EXPECT_EQ(limits.be(36, 8), kMaxWriteSameSectors);
  EXPECT_EQ(page(0xb1).be(4, 2), 1u);  // not rotating
}

TEST_F(ScsiInquiryTest, ProvisioningFollowsTheDisksDiscard) {
  EXPECT_EQ(page(0xb2).data[5], 0xe0);
  EXPECT_EQ(page(0xb2).data[6], 2);
  described_.said.discard_granularity = 0;
  EXPECT_EQ(page(0xb2).data[5], 0);
  EXPECT_EQ(page(0xb2).data[6], 0);
  EXPECT_EQ(page(0xb0).be(20, 4), 0u);
}

// --- mode pages --------------------------------------------------------------------------------

TEST_F(ScsiInquiryTest, ModeSenseGivesCachingAndControlPages) {
  const ScsiResult all = run({0x1a, 0, 0x3f, 0, 255, 0}, Bytes(255));
  EXPECT_EQ(all.transferred, 4u + 8 + 20 + 12);
  EXPECT_EQ(all.data[0], all.transferred - 1);
  EXPECT_EQ(all.data[2], 0x10);  // FUA; not write-protected
  EXPECT_EQ(all.data[3], 8);
  EXPECT_EQ(all.be(4, 4), kSectors);
  EXPECT_EQ(all.be(9, 3), 512u);
  EXPECT_EQ(all.be(12, 2), 0x0812u);
  EXPECT_EQ(all.data[14], 4);  // write cache
  EXPECT_EQ(all.be(32, 2), 0x0a0au);
  const ScsiResult caching = run({0x1a, 8, 0x08, 0, 255, 0}, Bytes(255));
  EXPECT_EQ(caching.transferred, 24u);
  EXPECT_EQ(caching.data[3], 0);
  const ScsiResult ten = run({0x5a, 8, 0x0a, 0, 0, 0, 0, 1, 0, 0}, Bytes(256));
  EXPECT_EQ(ten.transferred, 20u);
  EXPECT_EQ(ten.be(0, 2), 18u);
  EXPECT_EQ(ten.data[8], 0x0a);
}

TEST_F(ScsiInquiryTest, ReadOnlyDiskIsWriteProtectedAndHasNoWriteCache) {
  described_.said.read_only = true;
  const ScsiResult all = run({0x1a, 8, 0x3f, 0, 255, 0}, Bytes(255));
  EXPECT_EQ(all.data[2] & 0x80, 0x80);
  EXPECT_EQ(all.data[6], 0);
}

TEST_F(ScsiInquiryTest, ChangeableValuesAreNoneAndSavedOnesAreRefused) {
  const ScsiResult changeable = run({0x1a, 8, 0x48, 0, 255, 0}, Bytes(255, 0xee));
  EXPECT_EQ(changeable.be(4, 2), 0x0812u);
  for (size_t i = 6; i < 24; ++i)
    EXPECT_EQ(changeable.data[i], 0);
  EXPECT_TRUE(run({0x1a, 8, 0xc8, 0, 255, 0}, Bytes(255)).failed_with(sense::kSavingNotSupported));
}

TEST_F(ScsiInquiryTest, UnknownPagesAndSubpagesAreInvalidFields) {
  EXPECT_TRUE(run({0x1a, 0, 0x1c, 0, 255, 0}, Bytes(255)).failed_with(sense::kInvalidFieldInCdb));
  EXPECT_TRUE(run({0x1a, 0, 0x08, 1, 255, 0}, Bytes(255)).failed_with(sense::kInvalidFieldInCdb));
  EXPECT_TRUE(run({0x1a, 0, 0x3f, 0xff, 255, 0}, Bytes(255)).good());
}

Bytes sense_as_select(const ScsiResult& sensed) {
  Bytes list(sensed.data.begin(), sensed.data.begin() + sensed.transferred);
  list[0] = 0;  // reserved in MODE SELECT
  return list;
}

TEST_F(ScsiInquiryTest, ModeSelectTakesTheValuesThatAreThereAndNoOthers) {
  Bytes list = sense_as_select(run({0x1a, 0, 0x3f, 0, 255, 0}, Bytes(255)));
  const auto length = static_cast<uint8_t>(list.size());
  EXPECT_TRUE(run({0x15, 0x10, 0, 0, length, 0}, list).good());
  list[14] = 0;
  EXPECT_TRUE(
      run({0x15, 0x10, 0, 0, length, 0}, list).failed_with(sense::kInvalidFieldInParameters));
}

TEST_F(ScsiInquiryTest, ModeSelectTenTakesTheLongHeader) {
  Bytes list = sense_as_select(run({0x5a, 0, 0x0a, 0, 0, 0, 0, 0, 255, 0}, Bytes(255)));
  list[1] = 0;
  const auto length = static_cast<uint8_t>(list.size());
  EXPECT_TRUE(run({0x55, 0x10, 0, 0, 0, 0, 0, 0, length, 0}, list).good());
}

TEST_F(ScsiInquiryTest, ModeSelectRefusesBadListsAndSaving) {
  const auto select = [&](uint8_t flags, uint8_t length, Bytes list) {
    return run({0x15, flags, 0, 0, length, 0}, std::move(list));
  };
  EXPECT_TRUE(select(0x11, 4, Bytes(4)).failed_with(sense::kInvalidFieldInCdb));
  EXPECT_TRUE(select(0x00, 4, Bytes(4)).failed_with(sense::kInvalidFieldInCdb));
  EXPECT_TRUE(select(0x10, 0, {}).good());
  EXPECT_TRUE(select(0x10, 4, Bytes(4)).good());  // a header and nothing else
  EXPECT_TRUE(select(0x10, 3, Bytes(3)).failed_with(sense::kParameterListLength));
  EXPECT_TRUE(select(0x10, 200, Bytes(200)).failed_with(sense::kParameterListLength));
  EXPECT_TRUE(select(0x10, 8, Bytes(4)).failed_with(sense::kParameterListLength));
  EXPECT_TRUE(select(0x10, 4, {0, 0, 0, 8}).failed_with(sense::kParameterListLength));
  EXPECT_TRUE(select(0x10, 5, {0, 0, 0, 0, 8}).failed_with(sense::kParameterListLength));
  EXPECT_TRUE(
      select(0x10, 6, {0, 0, 0, 0, 0x1c, 10}).failed_with(sense::kInvalidFieldInParameters));
  EXPECT_TRUE(
      select(0x10, 6, {0, 0, 0, 0, 0x48, 10}).failed_with(sense::kInvalidFieldInParameters));
}

}  // namespace
}  // namespace viridian::storvsp
