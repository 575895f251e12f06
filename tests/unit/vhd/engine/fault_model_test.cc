// The host fails each of the operations that a workload needs, one at a time: metadata and data,
// syncs, holes and reads, with EIO and ENOSPC. Whoever asked gets the error; the image stays whole,
// and each sector is what was flushed or what was written since.
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <random>

#include "tests/conformance/sync_disk.h"
#include "tests/support/memory_chain.h"
#include "tests/support/test_factor.h"

namespace viridian::vhd {
namespace {

using io::FileOp;
using io::IoOp;
using io::IoStatus;

constexpr uint64_t kSectors = 150;
constexpr uint32_t kBlock = 4096;
constexpr unsigned kRequests = 50;

struct FaultCase {
  const char* name;
  FileOp op;
  int error;
  unsigned depth;
};

class FaultModel {
 public:
  FaultModel(io::Reactor& reactor, const FaultCase& fault, unsigned passing)
      : reactor_(reactor), fault_(fault), passing_(passing), random_(passing + 1), chain_(reactor) {
    for (Contents* one : {&latest_, &any_})
      one->assign(kSectors, {0});
  }

  // False if the fault was never reached.
  bool run() {
    for (unsigned layer = 0; layer < fault_.depth; ++layer) {
      chain_.push(kSectors * kSectorBytes, kBlock);
      if (layer + 1 < fault_.depth) use(false);
    }
    const bool failed = use(true);
    const auto image = load_image_from(chain_.leaf_bytes(), "leaf.vhd");
    EXPECT_TRUE(image) << image.error().message;
    EXPECT_TRUE(!image || !image->read_only);
    auto again = chain_.open(kLimits);
    EXPECT_TRUE(again) << again.error().message;
    if (again) expect_one_of(**again, any_, "after the next open");
    return failed;
  }

 private:
  using Contents = std::vector<std::vector<unsigned>>;  // of each sector, what it may hold
  // No timer: who waited for one to end would wait for an hour.
  static constexpr DiskLimits kLimits = {4, 4, 6, 3, 8192, 3600 * 1000};

  bool use(bool with_fault) {
    auto disk = chain_.open(kLimits);
    EXPECT_TRUE(disk) << disk.error().message;
    chain_.file().shuffle(static_cast<unsigned>(random_()));
    // Now and then the host fails for good, and the close has to live with it.
    const bool for_good = random_() % 3 == 0;
    if (with_fault) chain_.file().fail(fault_.op, fault_.error, passing_, for_good ? 1000000 : 1);
    io::SyncDisk sync(reactor_, **disk);
    bool failed = false;
    for (unsigned i = 0; i < kRequests; ++i)
      failed |= !request(sync);
    if (!for_good) chain_.file().stop_failing();
    if (!with_fault) {
      disk->reset();
      any_ = latest_;
    } else if (!for_good) {
      expect_one_of(**disk, latest_, "before the close");
    }
    return failed;
  }

  bool request(io::SyncDisk& sync) {
    static constexpr IoOp kOps[] = {IoOp::kWrite, IoOp::kWrite,       IoOp::kWrite,  IoOp::kWrite,
                                    IoOp::kFlush, IoOp::kWriteZeroes, IoOp::kDiscard};
    const IoOp op = kOps[random_() % std::size(kOps)];
    const uint64_t sector = random_() % kSectors;
    const uint64_t count = 1 + random_() % std::min<uint64_t>(kSectors - sector, 20);
    const auto value = static_cast<unsigned>(op == IoOp::kWrite ? 1 + random_() % 255 : 0);
    const bool fua = random_() % 6 == 0;
    IoStatus status;
    if (op == IoOp::kWrite) {
      std::vector<std::byte> bytes(count * kSectorBytes, static_cast<std::byte>(value));
      status = sync.write(sector, bytes, fua);
    } else {
      status = sync.simple(op, sector, op == IoOp::kFlush ? 0 : count);
    }
    const bool good = status == IoStatus::kOk;
    EXPECT_TRUE(good || status == IoStatus::kMediumError ||
                (status == IoStatus::kNoSpace && fault_.error == ENOSPC));
    if (op == IoOp::kFlush && good) any_ = latest_;
    for (uint64_t i = sector; op != IoOp::kFlush && i < sector + count; ++i) {
      if (good && op != IoOp::kDiscard) latest_[i].clear();
      latest_[i].push_back(value);
      if (good && fua && op == IoOp::kWrite) any_[i].clear();
      any_[i].push_back(value);
    }
    return good;
  }

  void expect_one_of(ChainDisk& disk, const Contents& allowed, const char* when) {
    std::vector<std::byte> all(kSectors * kSectorBytes);
    EXPECT_EQ(io::SyncDisk(reactor_, disk).read(0, all), IoStatus::kOk);
    for (uint64_t i = 0; i < kSectors; ++i) {
      const auto sector = std::span(all).subspan(i * kSectorBytes, kSectorBytes);
      const auto value = std::to_integer<unsigned>(sector[0]);
      const bool even =
          std::all_of(sector.begin(), sector.end(), [&](std::byte b) { return b == sector[0]; });
      const auto& set = allowed[i];
      ASSERT_TRUE(even && std::find(set.begin(), set.end(), value) != set.end())
          << "sector " << i << " holds " << value << " " << when << ", operation " << passing_;
    }
  }

  io::Reactor& reactor_;
  const FaultCase& fault_;
  unsigned passing_;
  std::minstd_rand random_;
  MemoryChain chain_;
  Contents latest_;  // as the disk shows it
  Contents any_;     // as it may be found after a close that failed
};

class FaultModelTest : public testing::TestWithParam<FaultCase> {};

TEST_P(FaultModelTest, EachFailureIsReportedAndTheImageStaysWhole) {
  auto reactor = std::move(*io::Reactor::create());
  unsigned failed = 0;
  const unsigned step = 120 / std::min(scaled(120), 120u);
  for (unsigned passing = 0; passing < 120 && !HasFailure(); passing += step)
    failed += FaultModel(*reactor, GetParam(), passing).run() ? 1 : 0;
  EXPECT_GT(failed, 0u);
}

INSTANTIATE_TEST_SUITE_P(
    Faults, FaultModelTest,
    testing::Values(FaultCase{"WriteEio", FileOp::kWrite, EIO, 1},
                    FaultCase{"WriteEnospc", FileOp::kWrite, ENOSPC, 1},
                    FaultCase{"WriteEioInAChild", FileOp::kWrite, EIO, 2},
                    FaultCase{"WriteEnospcInAChild", FileOp::kWrite, ENOSPC, 2},
                    FaultCase{"SyncEio", FileOp::kDataSync, EIO, 1},
                    FaultCase{"SyncEnospcInAChild", FileOp::kDataSync, ENOSPC, 2},
                    FaultCase{"ZeroEio", FileOp::kZero, EIO, 1},
                    FaultCase{"ZeroEnospcInAChild", FileOp::kZero, ENOSPC, 2},
                    FaultCase{"ReadEio", FileOp::kRead, EIO, 1},
                    FaultCase{"ReadEioInAChild", FileOp::kRead, EIO, 2}),
    [](const auto& fault) { return std::string(fault.param.name); });

}  // namespace
}  // namespace viridian::vhd
