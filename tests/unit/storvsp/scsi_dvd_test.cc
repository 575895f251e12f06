#include "storvsp/scsi_dvd.h"

#include "tests/unit/storvsp/scsi_fixture.h"

namespace viridian::storvsp {
namespace {

class ScsiDvdTest : public ScsiTest {
 protected:
  static constexpr uint64_t kBlocks = kSectors / 4;

  ScsiDvdTest() { described_.said.read_only = true; }
  ScsiResult run(std::initializer_list<uint8_t> cdb, Bytes data = {}) {
    return run_scsi(*reactor_, dvd_, cdb, std::move(data));
  }
  ScsiResult eject() { return run({0x1b, 0, 0, 0, 2, 0}); }
  ScsiResult load() { return run({0x1b, 0, 0, 0, 3, 0}); }
  ScsiResult media_event() { return run({0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8, 0}, Bytes(8)); }
  ScsiDvd dvd_{*reactor_, fault_};
};

TEST_F(ScsiDvdTest, InquiryNamesARemovableCdRom) {
  const ScsiResult result = run({0x12, 0, 0, 0, 36, 0}, Bytes(36));
  EXPECT_EQ(result.data[0], 5);
  EXPECT_EQ(result.data[1], 0x80);
  EXPECT_EQ(result.text(8, 24), "Msft    Virtual DVD-ROM ");
  // The pages of disks are not its own.
  EXPECT_TRUE(run({0x12, 1, 0xb0, 0, 255, 0}, Bytes(255)).failed_with(sense::kInvalidFieldInCdb));
  EXPECT_EQ(run({0x12, 1, 0, 0, 255, 0}, Bytes(255)).be(2, 2), 3u);
}

TEST_F(ScsiDvdTest, ReadsMoveBlocksOf2048Bytes) {
  const ScsiResult ten = run({0x28, 0, 0, 0, 0, 2, 0, 0, 2, 0}, Bytes(4096));
  EXPECT_TRUE(ten.good());
  EXPECT_EQ(ten.transferred, 4096u);
  EXPECT_EQ(ten.data, sectors(8, 8));
  EXPECT_EQ(run({0xa8, 0, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0}, Bytes(2048)).data, sectors(8, 4));
  EXPECT_TRUE(run({0x28, 0, 0, 0, 1, 0, 0, 0, 1, 0}, Bytes(2048)).failed_with(sense::kOutOfRange));
  EXPECT_TRUE(
      run({0x28, 0, 0, 0, 0, 0, 0, 0, 2, 0}, Bytes(2048)).failed_with(sense::kInvalidFieldInCdb));
  fault_.fail_next(io::IoOp::kRead, io::IoStatus::kMediumError);
  EXPECT_TRUE(run({0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0}, Bytes(2048)).failed_with(sense::kReadError));
}

TEST_F(ScsiDvdTest, CapacityIsInBlocksOf2048Bytes) {
  const ScsiResult result = run({0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0}, Bytes(8));
  EXPECT_EQ(result.be(0, 4), kBlocks - 1);
  EXPECT_EQ(result.be(4, 4), 2048u);
}

TEST_F(ScsiDvdTest, WritesAreUnknown) {
  for (const uint8_t operation : Bytes{0x2a, 0xaa, 0x04, 0x41, 0x5b}) {
    EXPECT_TRUE(run({operation}, Bytes(2048)).failed_with(sense::kInvalidOperation));
  }
}

// MMC-6 6.25.
TEST_F(ScsiDvdTest, TableOfContentsHasOneDataTrackAndALeadOut) {
  const ScsiResult lba = run({0x43, 0, 0, 0, 0, 0, 0, 0, 20, 0}, Bytes(20));
  EXPECT_EQ(lba.be(0, 4), 0x00120101u);
  EXPECT_EQ(lba.be(4, 4), 0x00140100u);
  EXPECT_EQ(lba.be(8, 4), 0u);
  EXPECT_EQ(lba.be(12, 4), 0x0014aa00u);
  EXPECT_EQ(lba.be(16, 4), kBlocks);
  const ScsiResult msf = run({0x43, 2, 0, 0, 0, 0, 0, 0, 20, 0}, Bytes(20));
  EXPECT_EQ(msf.be(8, 4), 0x000200u);   // block 0 is at 00:02:00
  EXPECT_EQ(msf.be(16, 4), 0x00051fu);  // (256 + 150) / 75 = 5, remainder 31
  const ScsiResult lead_out = run({0x43, 0, 0, 0, 0, 0, 0xaa, 0, 20, 0}, Bytes(20));
  EXPECT_EQ(lead_out.transferred, 12u);
  EXPECT_EQ(lead_out.data[6], 0xaa);
  EXPECT_TRUE(
      run({0x43, 0, 0, 0, 0, 0, 2, 0, 20, 0}, Bytes(20)).failed_with(sense::kInvalidFieldInCdb));
  EXPECT_TRUE(
      run({0x43, 0, 2, 0, 0, 0, 0, 0, 20, 0}, Bytes(20)).failed_with(sense::kInvalidFieldInCdb));
}

TEST_F(ScsiDvdTest, SessionsAreToldInBothFormsOfTheRequest) {
  const ScsiResult mmc = run({0x43, 0, 1, 0, 0, 0, 0, 0, 12, 0}, Bytes(12));
  EXPECT_EQ(mmc.be(0, 4), 0x000a0101u);
  EXPECT_EQ(mmc.data[6], 1);
  EXPECT_EQ(run({0x43, 0, 0, 0, 0, 0, 0, 0, 12, 0x40}, Bytes(12)).data, mmc.data);
}

TEST_F(ScsiDvdTest, DiscAndTrackInformationTellOneCompleteTrack) {
  const ScsiResult disc = run({0x51, 0, 0, 0, 0, 0, 0, 0, 34, 0}, Bytes(34));
  EXPECT_EQ(disc.be(0, 2), 32u);
  EXPECT_EQ(disc.data[2], 0x0e);
  EXPECT_TRUE(
      run({0x51, 1, 0, 0, 0, 0, 0, 0, 34, 0}, Bytes(34)).failed_with(sense::kInvalidFieldInCdb));
  const ScsiResult track = run({0x52, 1, 0, 0, 0, 1, 0, 0, 36, 0}, Bytes(36));
  EXPECT_EQ(track.be(0, 2), 34u);
  EXPECT_EQ(track.be(24, 4), kBlocks);
  EXPECT_TRUE(run({0x52, 0, 0, 0, 0, 255, 0, 0, 36, 0}, Bytes(36)).good());
  EXPECT_TRUE(
      run({0x52, 0, 0, 0, 1, 0, 0, 0, 36, 0}, Bytes(36)).failed_with(sense::kInvalidFieldInCdb));
  EXPECT_TRUE(
      run({0x52, 1, 0, 0, 0, 2, 0, 0, 36, 0}, Bytes(36)).failed_with(sense::kInvalidFieldInCdb));
}

// MMC-6 6.6.
TEST_F(ScsiDvdTest, ConfigurationTellsProfileAndFeatures) {
  const ScsiResult all = run({0x46, 0, 0, 0, 0, 0, 0, 0, 255, 0}, Bytes(255));
  EXPECT_EQ(all.be(0, 4) + 4, all.transferred);
  EXPECT_EQ(all.be(6, 2), 0x0010u);
  size_t at = 8, features = 0;
  for (int last = -1; at < all.transferred; ++features) {
    EXPECT_GT(static_cast<int>(all.be(at, 2)), last);
    last = static_cast<int>(all.be(at, 2));
    EXPECT_EQ(all.data[at + 2] & 1, 1);
    EXPECT_EQ(all.data[at + 3] % 4, 0);
    at += 4 + all.data[at + 3];
  }
  EXPECT_EQ(at, all.transferred);
  EXPECT_EQ(features, 7u);
  const ScsiResult one = run({0x46, 2, 0, 0x1f, 0, 0, 0, 0, 255, 0}, Bytes(255));
  EXPECT_EQ(one.transferred, 16u);
  EXPECT_EQ(run({0x46, 2, 0, 0x2f, 0, 0, 0, 0, 255, 0}, Bytes(255)).transferred, 8u);
  EXPECT_TRUE(
      run({0x46, 3, 0, 0, 0, 0, 0, 0, 255, 0}, Bytes(255)).failed_with(sense::kInvalidFieldInCdb));
  eject();
  const ScsiResult empty = run({0x46, 1, 0, 0, 0, 0, 0, 0, 255, 0}, Bytes(255));
  EXPECT_EQ(empty.be(6, 2), 0u);
  EXPECT_LT(empty.transferred, all.transferred);
}

TEST_F(ScsiDvdTest, EjectedDriveIsNotReadyUntilItIsLoadedAgain) {
  EXPECT_TRUE(run({0, 0, 0, 0, 0, 0}).good());
  EXPECT_TRUE(eject().good());
  EXPECT_TRUE(run({0, 0, 0, 0, 0, 0}).failed_with(sense::kNoMedium));
  EXPECT_TRUE(run({0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0}, Bytes(2048)).failed_with(sense::kNoMedium));
  EXPECT_TRUE(run({0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0}, Bytes(8)).failed_with(sense::kNoMedium));
  EXPECT_EQ(run({0x03, 0, 0, 0, 18, 0}, Bytes(18)).data[12], 0x3a);
  EXPECT_TRUE(load().good());
  EXPECT_TRUE(run({0, 0, 0, 0, 0, 0}).failed_with(sense::kMediumChanged));
  EXPECT_TRUE(run({0, 0, 0, 0, 0, 0}).good());
}

TEST_F(ScsiDvdTest, LockedDriveRefusesToEject) {
  EXPECT_TRUE(run({0x1e, 0, 0, 0, 1, 0}).good());
  EXPECT_TRUE(eject().failed_with(sense::kRemovalPrevented));
  EXPECT_TRUE(run({0, 0, 0, 0, 0, 0}).good());
  EXPECT_TRUE(run({0x1e, 0, 0, 0, 0, 0}).good());
  EXPECT_TRUE(eject().good());
}

// MMC-6 6.7.
TEST_F(ScsiDvdTest, MediaEventIsToldOnce) {
  EXPECT_EQ(media_event().be(0, 8), 0x0006041000020000u);
  eject();
  EXPECT_EQ(media_event().be(4, 2), 0x0301u);
  EXPECT_EQ(media_event().be(4, 2), 0x0001u);
  load();
  EXPECT_EQ(media_event().be(4, 2), 0x0202u);
  EXPECT_EQ(media_event().be(4, 2), 0x0002u);
  const ScsiResult other = run({0x4a, 1, 0, 0, 0x02, 0, 0, 0, 8, 0}, Bytes(8));
  EXPECT_EQ(other.transferred, 4u);
  EXPECT_EQ(other.data[2], 0x80);
  EXPECT_TRUE(
      run({0x4a, 0, 0, 0, 0x10, 0, 0, 0, 8, 0}, Bytes(8)).failed_with(sense::kInvalidFieldInCdb));
}

TEST_F(ScsiDvdTest, ModeSenseTellsWhatTheDriveReads) {
  const ScsiResult page = run({0x1a, 0, 0x2a, 0, 128, 0}, Bytes(128));
  EXPECT_EQ(page.data[3], 0);  // no block descriptor
  EXPECT_EQ(page.data[4], 0x2a);
  EXPECT_EQ(page.data[6] & 0x08, 0x08);  // DVD-ROM
  EXPECT_EQ(page.data[7], 0);            // writes nothing
  EXPECT_EQ(page.data[0], page.transferred - 1);
  EXPECT_TRUE(run({0x5a, 0, 0x01, 0, 0, 0, 0, 0, 255, 0}, Bytes(255)).good());
  EXPECT_TRUE(run({0x55, 0x10, 0, 0, 0, 0, 0, 0, 0, 0}).good());
}

TEST_F(ScsiDvdTest, AttentionPassesWhatPollsTheDrive) {
  dvd_.raise(sense::kMediumChanged);
  EXPECT_TRUE(media_event().good());
  EXPECT_TRUE(run({0x46, 0, 0, 0, 0, 0, 0, 0, 255, 0}, Bytes(255)).good());
  EXPECT_TRUE(
      run({0xbd, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0}, Bytes(8)).failed_with(sense::kMediumChanged));
  EXPECT_EQ(run({0xbd, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0}, Bytes(8)).transferred, 8u);
}

}  // namespace
}  // namespace viridian::storvsp
