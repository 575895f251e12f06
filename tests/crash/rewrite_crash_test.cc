// The operations that rewrite an image in place, cut at every moment: the image opens without
// repair, for writing, and shows the old disk or the new one, whole; the operation can be started
// again on it and ends as if nothing had happened. With each write, sync and truncation failing in
// turn, the same holds of what is left.
#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>
#include <functional>

#include "tests/conformance/sync_disk.h"
#include "tests/crash/crash_states.h"
#include "tests/support/fault_file.h"
#include "tests/support/memory_chain.h"
#include "vhd/compact.h"
#include "vhd/resize.h"

namespace viridian::vhd {
namespace {

constexpr uint64_t kLookBehind = 64;   // sectors of new space that are looked at
constexpr unsigned kExtraStates = 24;  // random ones at each position
constexpr DiskLimits kSmall = {8, 8, 64, 16, 8192};

using Operation = std::function<Result<void>(io::File&, const Image&)>;

struct Case {
  const char* name;
  uint32_t block_size;
  uint64_t sectors;
  unsigned depth;
  uint64_t new_sectors;  // the same: compact
  unsigned seeds;
};

class Rewrite {
 public:
  Rewrite(io::Reactor& reactor, const Case& one, unsigned seed)
      : reactor_(reactor), case_(one), random_(seed), chain_(reactor) {}

  void prepare() {
    for (unsigned layer = 0; layer < case_.depth; ++layer) {
      if (case_.block_size == 0) {
        chain_.push_fixed(case_.sectors * kSectorBytes);
      } else {
        chain_.push(case_.sectors * kSectorBytes, case_.block_size);
      }
      auto disk = chain_.open(kSmall);
      ASSERT_TRUE(disk) << disk.error().message;
      io::SyncDisk sync(reactor_, **disk);
      for (unsigned i = 0; i < 40; ++i) {
        const uint64_t at = random_() % case_.sectors;
        const uint64_t count = 1 + random_() % std::min<uint64_t>(case_.sectors - at, 12);
        std::vector<std::byte> bytes(count * kSectorBytes);
        // A third of the writes are zeroes: in a child they hide what the parent holds.
        if (random_() % 3 != 0) {
          for (std::byte& byte : bytes)
            byte = static_cast<std::byte>(random_());
        }
        ASSERT_EQ(sync.write(at, bytes), io::IoStatus::kOk);
      }
      (*disk).reset();
      if (layer + 1 < case_.depth) read_content(parents_content_);
    }
    before_ = chain_.leaf_bytes();
    read_content(content_);
  }

  Result<void> run(io::File& file, const Image& image) {
    if (case_.new_sectors == case_.sectors) {
      const auto done = compact_image(file, image, [this](uint64_t offset, uint64_t length) {
        return parents_are_zero(offset, length);
      });
      return done ? Result<void>{} : Unexpected(done.error());
    }
    const auto done = resize_image(file, image, case_.new_sectors * kSectorBytes);
    return done ? Result<void>{} : Unexpected(done.error());
  }

  size_t cut_everywhere(size_t forgotten = CrashStates::kNothing) {
    io::MemoryFile file(reactor_, "x.vhd", before_);
    file.record(&log_);
    const auto image = load_image_from(before_, "x.vhd");
    const auto done = run(file, *image);
    EXPECT_TRUE(done) << done.error().message;
    if (!done) return 0;
    CrashStates states(log_, {{"x.vhd", before_}}, forgotten);
    size_t count = 0;
    states.visit({log_.events().size()}, kExtraStates, random_, [&](size_t position) {
      const auto bytes = states.image(0).bytes();
      if (case_.block_size == 0 && is_longer_without_footer(bytes)) return true;
      wrong_ = check({bytes.begin(), bytes.end()}, ++count % 8 == 0);
      if (!wrong_.empty()) wrong_ = fmt::format("position {}: {}", position, wrong_);
      return wrong_.empty();
    });
    if (wrong_.empty()) wrong_ = check_final(file.bytes());
    return count;
  }
  const io::ChangeLog& log() const { return log_; }
  const std::string& wrong() const { return wrong_; }  // that was found first

  // Every call that changes the file fails once.
  size_t fail_everywhere() {
    size_t count = 0;
    for (int error : {ENOSPC, EIO}) {
      for (unsigned passing = 0;; ++passing) {
        io::MemoryFile memory(reactor_, "x.vhd", before_);
        FaultFile file(memory, error, passing);
        const auto image = load_image_from(before_, "x.vhd");
        const auto done = run(file, *image);
        if (!file.has_failed()) break;
        EXPECT_FALSE(done) << "failed call " << passing << " was not told";
        EXPECT_EQ(check(memory.bytes(), passing % 4 == 0), "") << "failed call " << passing;
        ++count;
        if (testing::Test::HasFailure()) return count;
      }
    }
    return count;
  }

 private:
  void read_content(std::vector<std::byte>& content) {
    content.resize(case_.sectors * kSectorBytes);
    auto disk = chain_.open(kSmall);
    ASSERT_TRUE(disk) << disk.error().message;
    ASSERT_EQ(io::SyncDisk(reactor_, **disk).read(0, content), io::IoStatus::kOk);
  }
  bool parents_are_zero(uint64_t offset, uint64_t length) const {
    const auto bytes = std::span(parents_content_).subspan(offset, length);
    return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
  }

  // What is wrong with the image, or nothing.
  std::string check(const std::vector<std::byte>& bytes, bool again) {
    chain_.set_leaf_bytes(bytes);
    {
      auto disk = chain_.open(kSmall);
      if (!disk) return disk.error().message;
      const uint64_t sectors = (*disk)->info().sector_count;
      if (sectors != case_.sectors && sectors != case_.new_sectors) return "another size";
      if ((*disk)->info().read_only) return "read-only";
      if (auto wrong = check_content(**disk, sectors); !wrong.empty()) return wrong;
    }
    if (!again) return {};
    const auto image = load_image_from(bytes, "x.vhd");
    if (!image) return image.error().message;
    io::MemoryFile file(reactor_, "x.vhd", bytes);
    const auto done = run(file, *image);
    return done ? check_final(file.bytes()) : "again: " + done.error().message;
  }

  std::string check_final(std::vector<std::byte> bytes) {
    const auto image = load_image_from(bytes, "x.vhd");
    if (!image) return image.error().message;
    if (image->footers_damaged) return "the footers do not agree at the end";
    if (image->file_size_bytes != image->footer_offset + sizeof(Footer)) return "behind the footer";
    if (image->block_size != 0 && image->footer.data_offset.get() != sizeof(Footer))
      return "the header is not in its place";
    chain_.set_leaf_bytes(std::move(bytes));
    auto disk = chain_.open(kSmall);
    if (!disk) return disk.error().message;
    if ((*disk)->info().sector_count != case_.new_sectors) return "the old size at the end";
    if (auto wrong = check_content(**disk, case_.new_sectors); !wrong.empty()) return wrong;
    // The engine writes on: what was given up comes back nowhere.
    io::SyncDisk sync(reactor_, **disk);
    std::vector<std::byte> sector(kSectorBytes, std::byte{0x77});
    const uint64_t shown = std::min(case_.new_sectors, case_.sectors + kLookBehind);
    const uint64_t at = random_() % shown;
    if (sync.write(at, sector) != io::IoStatus::kOk) return "cannot be written";
    std::vector<std::byte> all(shown * kSectorBytes);
    if (sync.read(0, all) != io::IoStatus::kOk) return "cannot be read";
    std::vector<std::byte> wanted = content_;
    wanted.resize(all.size());
    std::copy(sector.begin(), sector.end(),
              wanted.begin() + static_cast<ptrdiff_t>(at * kSectorBytes));
    return all == wanted ? "" : "something else changes with a write";
  }

  std::string check_content(ChainDisk& disk, uint64_t sectors) {
    std::vector<std::byte> all(std::min(sectors, case_.sectors + kLookBehind) * kSectorBytes);
    if (io::SyncDisk(reactor_, disk).read(0, all) != io::IoStatus::kOk) return "cannot be read";
    const size_t common = std::min(all.size(), content_.size());
    for (size_t at = 0; at < all.size(); at += kSectorBytes) {
      static const std::vector<std::byte> kZeroes(kSectorBytes);
      const std::byte* wanted = at < common ? content_.data() + at : kZeroes.data();
      if (std::memcmp(all.data() + at, wanted, kSectorBytes) != 0)
        return fmt::format("sector {} of {} is another", at / kSectorBytes, sectors);
    }
    return {};
  }

  // The one state that resize.h leaves to the file system for a fixed image.
  bool is_longer_without_footer(std::span<const std::byte> bytes) const {
    const auto last = bytes.last(sizeof(Footer));
    return bytes.size() == case_.new_sectors * kSectorBytes + sizeof(Footer) &&
           std::all_of(last.begin(), last.end(), [](std::byte b) { return b == std::byte{0}; });
  }

  io::Reactor& reactor_;
  const Case& case_;
  std::minstd_rand random_;
  MemoryChain chain_;
  std::vector<std::byte> before_;
  std::vector<std::byte> content_;
  std::vector<std::byte> parents_content_;
  io::ChangeLog log_;
  std::string wrong_;
};

class RewriteCrash : public testing::TestWithParam<Case> {
 protected:
  std::unique_ptr<io::Reactor> reactor_ = std::move(*io::Reactor::create());
};

TEST_P(RewriteCrash, LeavesTheOldDiskOrTheNewOneAtEveryCut) {
  size_t states = 0;
  for (unsigned seed = 1; seed <= GetParam().seeds; ++seed) {
    Rewrite rewrite(*reactor_, GetParam(), seed * 7919);
    rewrite.prepare();
    states += rewrite.cut_everywhere();
    ASSERT_EQ(rewrite.wrong(), "") << "seed " << seed;
  }
  std::printf("%zu states after a cut\n", states);
  EXPECT_GT(states, 50u);
}

TEST_P(RewriteCrash, TellsEveryFailedCallAndLeavesAWholeImage) {
  Rewrite rewrite(*reactor_, GetParam(), 4711);
  rewrite.prepare();
  const size_t failures = rewrite.fail_everywhere();
  std::printf("%zu calls failed\n", failures);
  EXPECT_GT(failures, 4u);
}

// That this suite can fail: most syncs are needed, and leaving one of those out is found out.
TEST_P(RewriteCrash, FindsOutThatASyncIsLeftOut) {
  Rewrite whole(*reactor_, GetParam(), 7919);
  whole.prepare();
  whole.cut_everywhere();
  const auto& operations = whole.log().operations();
  size_t found = 0;
  for (size_t i = 0; i < operations.size() && found == 0; ++i) {
    if (!operations[i].is_sync()) continue;
    Rewrite rewrite(*reactor_, GetParam(), 7919);
    rewrite.prepare();
    rewrite.cut_everywhere(i);
    found += rewrite.wrong().empty() ? 0 : 1;
  }
  EXPECT_GT(found, 0u);
}

INSTANTIATE_TEST_SUITE_P(Cases, RewriteCrash,
                         testing::Values(Case{"GrowWithinTheTable", 4096, 150, 1, 400, 4},
                                         Case{"GrowByMovingBlocks", 4096, 150, 1, 300000, 4},
                                         Case{"GrowTinyBlocks", 512, 60, 1, 9000, 4},
                                         Case{"GrowChildByMovingLocators", 4096, 150, 2, 150000, 4},
                                         Case{"GrowWithinTheLastBlock", 65536, 300, 1, 310, 4},
                                         Case{"Shrink", 4096, 150, 1, 77, 4},
                                         Case{"ShrinkChild", 4096, 150, 2, 77, 4},
                                         Case{"Compact", 4096, 150, 1, 150, 4},
                                         Case{"CompactTinyBlocks", 512, 60, 1, 60, 4},
                                         Case{"CompactLargerBlocks", 65536, 700, 1, 700, 4},
                                         Case{"CompactChild", 4096, 150, 2, 150, 4},
                                         Case{"GrowFixed", 0, 150, 1, 400, 4},
                                         Case{"GrowFixedByOneSector", 0, 150, 1, 151, 4},
                                         Case{"ShrinkFixed", 0, 150, 1, 77, 4}),
                         [](const auto& one) { return std::string(one.param.name); });

}  // namespace
}  // namespace viridian::vhd
