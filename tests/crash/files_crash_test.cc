// What makes images without the engine, cut at every moment: under the new name is a whole image or
// nothing, and what was there before stays as it was. And the same with each call failing in turn.
#include <gtest/gtest.h>

#include <cerrno>
#include <functional>

#include "tests/crash/crash_states.h"
#include "tests/support/file_recorder.h"
#include "tests/support/temp_folder.h"
#include "vhd/chain.h"
#include "vhd/create.h"

namespace viridian::vhd {
namespace {

namespace fs = std::filesystem;

struct Making {
  const char* name;
  std::function<Result<void>(const std::string& path, const std::string& parent)> make;
  size_t layers;  // of the chain that is then there
};

CreateOptions options(bool replace) {
  CreateOptions made;
  made.size_bytes = 300 << 10;
  made.block_size = 4096;
  made.replace = replace;
  return made;
}

class MakingCrashTest : public testing::TestWithParam<Making> {
 protected:
  void SetUp() override { ASSERT_TRUE(create_dynamic(parent_, options(false))); }

  // A chain that starts at `path` and is whole.
  static testing::AssertionResult is_whole(const std::string& path, size_t layers) {
    const auto chain = open_chain(path, Access::kReadWrite);
    if (!chain) return testing::AssertionFailure() << chain.error().message;
    if (chain->size() != layers) return testing::AssertionFailure() << chain->size() << " layers";
    for (const ChainLink& link : *chain) {
      if (link.image.warnings.empty()) continue;
      return testing::AssertionFailure() << link.path << ": " << link.image.warnings.front();
    }
    return testing::AssertionSuccess();
  }

  TempFolder folder_{"/dev/shm"};
  std::string parent_ = folder_.file("parent.vhd");
  std::string path_ = folder_.file("new.vhd");
};

TEST_P(MakingCrashTest, CutAnywhereLeavesAWholeImageOrNone) {
  std::minstd_rand random(1);
  for (const bool replaces : {false, true}) {
    FileRecorder recorder(folder_.path());
    const bool old_is_there = fs::exists(path_);
    ASSERT_EQ(old_is_there, replaces);
    const auto made = GetParam().make(path_, parent_);
    ASSERT_TRUE(made) << made.error().message;
    CrashStates states(recorder.log(), recorder.files());
    const size_t all = recorder.log().events().size();
    size_t with_image = 0;
    const size_t count = states.visit({all}, 40, random, [&](size_t position) {
      const fs::path path = states.folder() / "new.vhd";
      const bool there = fs::exists(path);
      with_image += there ? 1 : 0;
      EXPECT_TRUE(is_whole(states.folder() / "parent.vhd", 1));
      EXPECT_TRUE(there || (!old_is_there && position < all)) << "nothing at " << position;
      EXPECT_TRUE(!there || is_whole(path, GetParam().layers)) << position;
      return !HasFailure();
    });
    std::printf("%zu states after a cut\n", count);
    EXPECT_GT(with_image, 0u);
    EXPECT_GT(count, 20u);
  }
}

TEST_P(MakingCrashTest, EachCallThatFailsIsReportedAndLeavesNothingHalf) {
  for (const int error : {EIO, ENOSPC}) {
    bool failed = true;
    unsigned passing = 0;
    for (; failed; ++passing) {
      fs::remove(path_);
      FileRecorder recorder(folder_.path());
      recorder.fail(error, passing);
      const auto made = GetParam().make(path_, parent_);
      failed = recorder.has_failed();
      ASSERT_EQ(failed, !made) << "call " << passing;
      EXPECT_TRUE(made || made.error().message.find("new.vhd") != std::string::npos);
      // The last call makes the name durable: the image has it by then.
      const bool there = fs::exists(path_);
      EXPECT_TRUE(!there || is_whole(path_, GetParam().layers));
      EXPECT_EQ(there ? 2 : 1,
                std::distance(fs::directory_iterator(folder_.path()), fs::directory_iterator()));
      EXPECT_TRUE(is_whole(parent_, 1));
    }
    EXPECT_GT(passing, 4u);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, MakingCrashTest,
    testing::Values(Making{"Fixed",
                           [](const std::string& path, const std::string&) {
                             return create_fixed(path, options(true));
                           },
                           1},
                    Making{"FixedPreallocated",
                           [](const std::string& path, const std::string&) {
                             CreateOptions made = options(true);
                             made.preallocate = true;
                             return create_fixed(path, made);
                           },
                           1},
                    Making{"Dynamic",
                           [](const std::string& path, const std::string&) {
                             return create_dynamic(path, options(true));
                           },
                           1},
                    Making{"Snapshot",
                           [](const std::string& path, const std::string& parent) {
                             return create_differencing(path, parent, options(true));
                           },
                           2}),
    [](const auto& making) { return std::string(making.param.name); });

// That this suite can fail: without the sync of its bytes the image is under its name too early.
TEST(MakingCrashSuite, FindsOutThatTheSyncOfTheBytesIsLeftOut) {
  const TempFolder folder("/dev/shm");
  FileRecorder recorder(folder.path());
  ASSERT_TRUE(create_dynamic(folder.file("new.vhd"), options(false)));
  std::minstd_rand random(1);
  const size_t sync = CrashStates::first_sync(recorder.log());
  ASSERT_NE(sync, CrashStates::kNothing);
  CrashStates states(recorder.log(), recorder.files(), sync);
  size_t broken = 0;
  states.visit({}, 40, random, [&](size_t) {
    const fs::path path = states.folder() / "new.vhd";
    broken += fs::exists(path) && !open_image(path, Access::kReadWrite) ? 1 : 0;
    return true;
  });
  EXPECT_GT(broken, 0u);
}

}  // namespace
}  // namespace viridian::vhd
