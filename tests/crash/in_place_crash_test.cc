// convert --in-place, cut at every moment: the disk is there, whole, under one of the two names,
// and what is under the new one is the new image; the same command, started again, finishes. And
// the same with each call failing in turn.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <random>

#include "io/unique_fd.h"
#include "tests/crash/crash_states.h"
#include "tests/support/file_recorder.h"
#include "tests/support/temp_folder.h"
#include "vhd/chain.h"
#include "vhd/tool/in_place.h"

namespace viridian::vhd::tool {
namespace {

namespace fs = std::filesystem;

constexpr size_t kDiskBytes = 40 * 512;

std::vector<std::byte> bytes_of(const fs::path& path) {
  std::vector<std::byte> bytes(fs::file_size(path));
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(::pread(fd.get(), bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
  return bytes;
}

class InPlaceCrash : public testing::TestWithParam<ImageType> {
 protected:
  void SetUp() override {
    std::minstd_rand random(7);
    for (std::byte& byte : disk_)
      byte = static_cast<std::byte>(random());
    make_source(folder_.path());
  }

  void make_source(const fs::path& folder) const {
    const UniqueFd fd(::open((folder / "disk.img").c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600));
    ASSERT_EQ(::pwrite(fd.get(), disk_.data(), disk_.size(), 0), ssize_t{kDiskBytes});
    if (GetParam() != ImageType::kRaw) return;
    ASSERT_TRUE(convert_in_place(command(folder, ImageType::kFixed)));
  }
  static ConvertCommand command(const fs::path& folder, ImageType type) {
    ConvertCommand made;
    made.type = type;
    made.source = folder / (type == ImageType::kRaw ? "disk.vhd" : "disk.img");
    made.target = folder / (type == ImageType::kRaw ? "disk.img" : "disk.vhd");
    return made;
  }
  static ConvertCommand command_in(const fs::path& folder) { return command(folder, GetParam()); }

  // What is wrong with the only file of `folder`, or nothing.
  std::string check(const fs::path& folder, uint64_t size_bytes = kDiskBytes) const {
    const ConvertCommand made = command_in(folder);
    const bool done = fs::exists(made.target);
    if (done == fs::exists(made.source)) return done ? "two names" : "no name";
    const fs::path path = done ? made.target : made.source;
    const auto bytes = bytes_of(path);
    if (bytes.size() < kDiskBytes) return "the disk's end is lost";
    if (!std::equal(disk_.begin(), disk_.end(), bytes.begin())) return "another disk";
    if (!done) return {};
    const auto image = open_image(path, Access::kReadWrite);
    if (!image) return image.error().message;
    if (image->image.type != GetParam()) return "the old image under the new name";
    return image->image.size_bytes == size_bytes ? "" : "another size";
  }

  // The command started again on what a cut or an error has left; what is wrong then, or nothing.
  std::string check_again(const fs::path& folder) const {
    ConvertCommand again = command_in(folder);
    if (fs::exists(again.target)) return {};
    const auto bytes = bytes_of(again.source);
    const bool footer = bytes.size() > kDiskBytes && bytes[kDiskBytes] != std::byte{0};
    // Without its footer a file whose name ends in .vhd is raw only if one says so.
    if (GetParam() == ImageType::kRaw && !footer) again.policy.format = Format::kRaw;
    const auto done = convert_in_place(again);
    if (!done) return "again: " + done.error().message;
    if (!fs::exists(again.target)) return "no new name";
    // Space that the footer was to fill, without the footer, is a sector of the disk from then on.
    return check(folder, footer ? kDiskBytes : bytes.size());
  }

  std::vector<std::byte> disk_ = std::vector<std::byte>(kDiskBytes);
  TempFolder folder_{"/dev/shm"};
};

TEST_P(InPlaceCrash, CutAnywhereLeavesTheDiskUnderOneNameAndGoesOn) {
  std::minstd_rand random(1);
  FileRecorder recorder(folder_.path());
  ASSERT_TRUE(convert_in_place(command_in(folder_.path())));
  CrashStates states(recorder.log(), recorder.files());
  const size_t all = recorder.log().events().size();
  size_t done = 0;
  const size_t count = states.visit({all}, 40, random, [&](size_t position) {
    EXPECT_EQ(check(states.folder()), "") << "position " << position;
    const bool is_done = fs::exists(command_in(states.folder()).target);
    done += is_done ? 1 : 0;
    EXPECT_TRUE(is_done || position < all) << "not done at the end";
    states.changed();
    EXPECT_EQ(check_again(states.folder()), "") << "position " << position;
    return !HasFailure();
  });
  std::printf("%zu states after a cut\n", count);
  EXPECT_GT(done, 0u);
  EXPECT_GT(count, done + 2);
}

TEST_P(InPlaceCrash, EachCallThatFailsIsReportedAndLeavesTheDiskUnderOneName) {
  for (const int error : {EIO, ENOSPC}) {
    bool failed = true;
    unsigned passing = 0;
    for (; failed; ++passing) {
      const TempFolder folder("/dev/shm");
      make_source(folder.path());
      FileRecorder recorder(folder.path());
      recorder.fail(error, passing);
      const auto done = convert_in_place(command_in(folder.path()));
      failed = recorder.has_failed();
      ASSERT_EQ(failed, !done) << "call " << passing;
      EXPECT_EQ(check(folder.path()), "") << "call " << passing;
      EXPECT_EQ(check_again(folder.path()), "") << "call " << passing;
    }
    EXPECT_GT(passing, 4u);
  }
}

// That this suite can fail: without the sync of the file the new name may come before it.
TEST_P(InPlaceCrash, FindsOutThatTheSyncOfTheBytesIsLeftOut) {
  std::minstd_rand random(1);
  FileRecorder recorder(folder_.path());
  ASSERT_TRUE(convert_in_place(command_in(folder_.path())));
  const size_t sync = CrashStates::first_sync(recorder.log());
  ASSERT_NE(sync, CrashStates::kNothing);
  CrashStates states(recorder.log(), recorder.files(), sync);
  size_t broken = 0;
  states.visit({}, 40, random, [&](size_t) {
    broken += check(states.folder()).empty() ? 0 : 1;
    return true;
  });
  EXPECT_GT(broken, 0u);
}

INSTANTIATE_TEST_SUITE_P(Kinds, InPlaceCrash, testing::Values(ImageType::kFixed, ImageType::kRaw),
                         [](const auto& one) {
                           return one.param == ImageType::kFixed ? "RawToFixed" : "FixedToRaw";
                         });

}  // namespace
}  // namespace viridian::vhd::tool
