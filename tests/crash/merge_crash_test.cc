// A commit, cut at every moment in both of its files: the chain reads as before at each, opens
// without repair, and the commit started again ends with a parent that reads as the child did. And
// the same with each operation on the parent, and each call on the child, failing in turn.
#include <gtest/gtest.h>

#include <cerrno>

#include "tests/conformance/sync_disk.h"
#include "tests/crash/crash_states.h"
#include "tests/support/fault_file.h"
#include "tests/support/memory_chain.h"
#include "vhd/merge.h"

namespace viridian::vhd {
namespace {

constexpr uint64_t kSectors = 150;
constexpr uint32_t kBlockSize = 4096;
constexpr unsigned kExtraStates = 6;
constexpr unsigned kNever = ~0u;
constexpr DiskLimits kSmall = {8, 8, 64, 16, 8192};
using Bytes = std::vector<std::byte>;

class MergeCrash : public testing::TestWithParam<unsigned> {
 protected:
  // Depth layers below the child, each with its own writes; a third of those are zeroes.
  void prepare(unsigned depth, unsigned seed) {
    std::minstd_rand random(seed);
    MemoryChain chain(*reactor_);
    for (unsigned layer = 0; layer <= depth; ++layer) {
      chain.push(kSectors * kSectorBytes, kBlockSize);
      auto disk = chain.open(kSmall);
      ASSERT_TRUE(disk) << disk.error().message;
      io::SyncDisk sync(*reactor_, **disk);
      for (unsigned i = 0; i < 24; ++i) {
        const uint64_t at = random() % kSectors;
        Bytes bytes((1 + random() % std::min<uint64_t>(kSectors - at, 9)) * kSectorBytes);
        if (random() % 3 != 0) {
          for (std::byte& byte : bytes)
            byte = static_cast<std::byte>(random());
        }
        ASSERT_EQ(sync.write(at, bytes), io::IoStatus::kOk);
      }
    }
    model_.resize(kSectors * kSectorBytes);
    auto disk = chain.open(kSmall);
    ASSERT_TRUE(disk);
    ASSERT_EQ(io::SyncDisk(*reactor_, **disk).read(0, model_), io::IoStatus::kOk);
    (*disk).reset();
    layers_.clear();
    for (unsigned layer = 0; layer <= depth; ++layer)
      layers_.push_back(chain.file(layer).bytes());
  }

  // The files of the chain, the child first.
  struct Files {
    std::vector<std::unique_ptr<io::MemoryFile>> all;
    io::MemoryFile& child() { return *all[0]; }
    io::MemoryFile& parent() { return *all[1]; }
  };
  Files files_of(std::span<const std::byte> child, std::span<const std::byte> parent) {
    Files files;
    for (size_t i = 0; i < layers_.size(); ++i) {
      Bytes bytes = layers_[i];
      if (i == 0) bytes.assign(child.begin(), child.end());
      if (i == 1) bytes.assign(parent.begin(), parent.end());
      files.all.push_back(
          std::make_unique<io::MemoryFile>(*reactor_, std::to_string(i) + ".vhd", bytes, i > 1));
    }
    return files;
  }

  Result<std::unique_ptr<ChainDisk>> open(Files& files, size_t first) {
    std::vector<ChainDisk::Part> parts;
    for (size_t i = first; i < files.all.size(); ++i) {
      auto image = load_image_from(files.all[i]->bytes(), files.all[i]->name());
      if (!image) return Unexpected(image.error());
      if (image->read_only) return fail(ErrorKind::kUnsupported, "read-only");
      parts.push_back({std::make_unique<FaultFile>(*files.all[i], 0, kNever), std::move(*image)});
    }
    return ChainDisk::create(*reactor_, std::move(parts), false, kSmall);
  }

  Result<void> commit(Files& files, io::File& child) {
    const auto image = load_image_from(files.child().bytes(), "child.vhd");
    if (!image) return Unexpected(image.error());
    {
      auto disk = open(files, 1);
      if (!disk) return Unexpected(std::move(disk).error());
      BlockingDisk target(*reactor_, **disk);
      const MergeLayer layer{child, *image};
      const auto copied = merge_layers({&layer, 1}, target);
      if (!copied) return Unexpected(copied.error());
    }
    return finish_child(child, *image, 4711, false);
  }

  // What is wrong with the chain, from `first` on, or nothing.
  std::string check(Files& files, size_t first) {
    auto disk = open(files, first);
    if (!disk) return disk.error().message;
    Bytes all(model_.size());
    if (io::SyncDisk(*reactor_, **disk).read(0, all) != io::IoStatus::kOk) return "cannot be read";
    return all == model_ ? "" : "the disk is another one";
  }
  std::string check_end(Files& files) {
    const auto child = load_image_from(files.child().bytes(), "child.vhd");
    if (!child) return child.error().message;
    for (uint32_t entry : child->bat) {
      if (entry != kUnusedEntry) return "the child is not empty";
    }
    const std::string wrong = check(files, 1);
    return wrong.empty() ? check(files, 0) : "the parent: " + wrong;
  }

  static io::ChangeLog without_syncs_of_parent(const io::ChangeLog& log) {
    io::ChangeLog less;
    std::map<size_t, size_t> numbers;
    for (const auto& event : log.events()) {
      const auto& operation = log.operations()[event.operation];
      if (operation.is_sync() && operation.file == 0) continue;
      if (event.done) {
        less.done(numbers.at(event.operation));
      } else {
        numbers[event.operation] = less.submit(operation);
      }
    }
    return less;
  }

  // Returns how many states were seen; wrong_ has what was found first.
  size_t cut_everywhere(unsigned seed, bool parent_syncs = true) {
    wrong_.clear();
    log_ = {};
    Files files = files_of(layers_[0], layers_[1]);
    files.parent().record(&log_, 0);
    files.child().record(&log_, 1);
    files.parent().shuffle(seed);
    const auto done = commit(files, files.child());
    EXPECT_TRUE(done) << done.error().message;
    if (!parent_syncs) log_ = without_syncs_of_parent(log_);
    CrashStates states(log_, {{"parent", layers_[1]}, {"child", layers_[0]}});
    std::minstd_rand random(seed);
    size_t count = 0;
    states.visit({log_.events().size()}, kExtraStates, random, [&](size_t position) {
      // Read, and then go on, from fresh files: opening for writing changes them.
      Files cut = files_of(states.image(1).bytes(), states.image(0).bytes());
      wrong_ = check(cut, 0);
      if (wrong_.empty() && ++count % 8 == 0) {
        Files again = files_of(states.image(1).bytes(), states.image(0).bytes());
        const auto finished = commit(again, again.child());
        wrong_ = finished ? check_end(again) : finished.error().message;
      }
      if (!wrong_.empty()) wrong_ = fmt::format("position {}: {}", position, wrong_);
      return wrong_.empty();
    });
    if (wrong_.empty()) wrong_ = check_end(files);
    return count;
  }

  std::unique_ptr<io::Reactor> reactor_ = std::move(*io::Reactor::create());
  std::vector<Bytes> layers_;  // the child first
  Bytes model_;
  io::ChangeLog log_;
  std::string wrong_;
};

TEST_P(MergeCrash, EveryCutLeavesTheDiskAndCanBeFinished) {
  size_t states = 0;
  for (unsigned seed = 1; seed <= 3; ++seed) {
    prepare(GetParam(), seed * 7919);
    states += cut_everywhere(seed);
    ASSERT_EQ(wrong_, "") << "seed " << seed;
  }
  std::printf("%zu states after a cut\n", states);
  EXPECT_GT(states, 500u);
}

// That this suite can fail. One sync of the parent may be missing: the next one is early enough.
TEST_P(MergeCrash, FindsOutThatTheParentIsNotDurable) {
  prepare(GetParam(), 7919);
  cut_everywhere(1, false);
  EXPECT_NE(wrong_, "");
}

TEST_P(MergeCrash, AFailingOperationOnTheParentLeavesTheDisk) {
  prepare(GetParam(), 4711);
  size_t failures = 0;
  for (const auto op : {io::FileOp::kWrite, io::FileOp::kDataSync, io::FileOp::kZero}) {
    for (const int error : {ENOSPC, EIO}) {
      for (unsigned passing = 0;; ++passing) {
        Files files = files_of(layers_[0], layers_[1]);
        files.parent().fail(op, error, passing, 1);
        const auto done = commit(files, files.child());
        if (files.parent().count(op) <= passing) break;
        files.parent().stop_failing();
        ++failures;
        ASSERT_EQ(check(files, 0), "") << "operation " << static_cast<int>(op) << ", " << passing;
        if (done) {
          EXPECT_EQ(check_end(files), "");
        }
        const auto again = commit(files, files.child());
        ASSERT_TRUE(again) << again.error().message;
        ASSERT_EQ(check_end(files), "");
      }
    }
  }
  std::printf("%zu operations failed\n", failures);
  EXPECT_GT(failures, 40u);
}

TEST_P(MergeCrash, AFailingCallOnTheChildLeavesTheDisk) {
  prepare(GetParam(), 4711);
  for (const int error : {ENOSPC, EIO}) {
    for (unsigned passing = 0;; ++passing) {
      Files files = files_of(layers_[0], layers_[1]);
      FaultFile child(files.child(), error, passing);
      const auto done = commit(files, child);
      if (!child.has_failed()) break;
      EXPECT_FALSE(done);
      ASSERT_EQ(check(files, 0), "") << "call " << passing;
      ASSERT_TRUE(commit(files, files.child()));
      ASSERT_EQ(check_end(files), "");
    }
  }
}

INSTANTIATE_TEST_SUITE_P(ParentsBelow, MergeCrash, testing::Values(1, 3));

}  // namespace
}  // namespace viridian::vhd
