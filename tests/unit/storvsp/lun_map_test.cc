#include "storvsp/lun_map.h"

#include "storvsp/scsi_disk.h"
#include "tests/unit/storvsp/scsi_fixture.h"

namespace viridian::storvsp {
namespace {

// Lets run_scsi() drive what the map answers by itself.
struct MapAsUnit final : LogicalUnit {
  explicit MapAsUnit(LunMap& map_in) : map(map_in) {}
  void execute(ScsiRequest& request) noexcept override {
    if (request.cdb[0] == opcode::kReportLuns) return map.report(request, here);
    map.inquire_absent(request);
  }
  void raise(Sense) noexcept override {}
  LunMap& map;
  bool here = true;
};

class LunMapTest : public ScsiTest {
 protected:
  std::unique_ptr<LogicalUnit> disk() { return std::make_unique<ScsiDisk>(*reactor_, ram_); }
  ScsiResult report(uint8_t select = 0, uint8_t allocation = 64) {
    return run_scsi(*reactor_, unit_, {0xa0, 0, select, 0, 0, 0, 0, 0, 0, allocation, 0, 0},
                    Bytes(64, 0xee));
  }
  LunMap map_{*reactor_};
  MapAsUnit unit_{map_};
};

TEST_F(LunMapTest, ReportListsTheUnitsThatAreThere) {
  ASSERT_TRUE(map_.add(0, disk()));
  ASSERT_TRUE(map_.add(254, disk()));
  const ScsiResult result = report();
  EXPECT_EQ(result.transferred, 24u);
  EXPECT_EQ(result.be(0, 4), 16u);
  EXPECT_EQ(result.be(8, 8), 0u);
  EXPECT_EQ(result.be(16, 8), uint64_t{254} << 48);
}

TEST_F(LunMapTest, ReportOfAnotherTargetIsEmptyAndNoError) {
  ASSERT_TRUE(map_.add(0, disk()));
  unit_.here = false;
  const ScsiResult result = report();
  EXPECT_TRUE(result.good());
  EXPECT_EQ(result.transferred, 8u);
  EXPECT_EQ(result.be(0, 4), 0u);
}

TEST_F(LunMapTest, ReportIsCutToItsAllocationAndKnowsItsSelections) {
  ASSERT_TRUE(map_.add(3, disk()));
  EXPECT_EQ(report(0, 10).transferred, 10u);
  EXPECT_EQ(report(0, 10).be(0, 4), 8u);
  EXPECT_EQ(report(1).be(0, 4), 0u);  // well-known units: none
  EXPECT_EQ(report(2).be(0, 4), 8u);
  EXPECT_TRUE(report(3).failed_with(sense::kInvalidFieldInCdb));
}

// Linux makes a disk of everything whose INQUIRY succeeds with other data: scsi_scan.c.
TEST_F(LunMapTest, AbsentUnitSaysThatNothingCanBeThere) {
  const ScsiResult result = run_scsi(*reactor_, unit_, {0x12, 0, 0, 0, 36, 0}, Bytes(36));
  EXPECT_TRUE(result.good());
  EXPECT_EQ(result.transferred, 36u);
  EXPECT_EQ(result.data[0], 0x7f);
  EXPECT_EQ(result.data[4], 31);
  EXPECT_TRUE(run_scsi(*reactor_, unit_, {0x12, 1, 0, 0, 36, 0}, Bytes(36))
                  .failed_with(sense::kInvalidFieldInCdb));
}

TEST_F(LunMapTest, NumbersOutOfRangeAndTakenOnesAreRefused) {
  EXPECT_FALSE(map_.add(255, disk()));
  EXPECT_TRUE(map_.add(7, disk()));
  EXPECT_FALSE(map_.add(7, disk()));
  EXPECT_EQ(map_.find(255), nullptr);
  EXPECT_EQ(map_.find(8), nullptr);
  EXPECT_NE(map_.find(7), nullptr);
}

TEST_F(LunMapTest, RemovalWaitsForTheUnitsRequests) {
  struct Removed : io::Completion {
    bool ran = false;
  } removed;
  removed.run = [](io::Completion& self) noexcept { static_cast<Removed&>(self).ran = true; };
  ASSERT_TRUE(map_.add(1, disk()));
  Lun& lun = *map_.find(1);
  map_.begin(lun);
  ASSERT_TRUE(map_.remove(1, removed));
  reactor_->turn(false);
  EXPECT_FALSE(removed.ran);
  EXPECT_EQ(map_.find(1), nullptr);
  EXPECT_FALSE(map_.add(1, disk()));
  EXPECT_FALSE(map_.remove(1, removed));
  map_.end(lun);
  reactor_->turn(false);
  EXPECT_TRUE(removed.ran);
  EXPECT_TRUE(map_.add(1, disk()));
}

}  // namespace
}  // namespace viridian::storvsp
