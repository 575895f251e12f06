#include "vhd/temp_file.h"

#include <gtest/gtest.h>
#include <sys/wait.h>

#include "tests/unit/vhd/image_file.h"

namespace viridian::vhd {
namespace {

size_t file_count(const TempFolder& folder) {
  return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(folder.path()), {}));
}

TEST(TempFile, HasNoNameBeforeItIsComplete) {
  const TempFolder folder;
  auto file = TempFile::create(folder.file("x"), false);
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_FALSE(std::filesystem::exists(folder.file("x")));
  ASSERT_TRUE(file->complete());
  EXPECT_TRUE(std::filesystem::exists(folder.file("x")));
  EXPECT_EQ(file_count(folder), 1u);
}

TEST(TempFile, PathOpensTheSameFile) {
  const TempFolder folder;
  auto file = TempFile::create(folder.file("x"), false);
  ASSERT_TRUE(file);
  ASSERT_EQ(::pwrite(file->fd(), "abc", 3, 0), 3);
  const UniqueFd again(::open(file->path().c_str(), O_RDWR | O_CLOEXEC));
  char text[3] = {};
  EXPECT_EQ(::pread(again.get(), text, 3, 0), 3);
  EXPECT_EQ(std::string(text, 3), "abc");
}

TEST(TempFile, LeavesNothingWhenItIsDroppedOrItsProcessIsKilled) {
  const TempFolder folder;
  { ASSERT_TRUE(TempFile::create(folder.file("x"), false)); }
  EXPECT_EQ(file_count(folder), 0u);
  const pid_t child = ::fork();
  if (child == 0) {
    const auto file = TempFile::create(folder.file("x"), false);
    ::_exit(file && ::pwrite(file->fd(), "abc", 3, 0) == 3 ? 0 : 1);  // no destructor runs
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(file_count(folder), 0u);
}

TEST(TempFile, ReplacesOnlyIfItMay) {
  const TempFolder folder;
  const std::string path = folder.file("x");
  { const UniqueFd old(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)); }
  EXPECT_FALSE(TempFile::create(path, false));
  for (Durability durability : {Durability::kDurable, Durability::kOrdered, Durability::kNone}) {
    auto file = TempFile::create(path, true);
    ASSERT_TRUE(file) << file.error().message;
    ASSERT_EQ(::pwrite(file->fd(), "new", 3, 0), 3);
    ASSERT_TRUE(file->complete(durability));
    EXPECT_EQ(std::filesystem::file_size(path), 3u);
    EXPECT_EQ(file_count(folder), 1u);
  }
}

TEST(TempFile, NameThatWasTakenMeanwhileIsKept) {
  const TempFolder folder;
  const std::string path = folder.file("x");
  auto file = TempFile::create(path, false);
  ASSERT_TRUE(file);
  { const UniqueFd other(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600)); }
  ASSERT_EQ(::pwrite(file->fd(), "new", 3, 0), 3);
  EXPECT_FALSE(file->complete());
  EXPECT_EQ(std::filesystem::file_size(path), 0u);
}

}  // namespace
}  // namespace viridian::vhd
