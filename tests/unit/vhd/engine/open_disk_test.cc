#include "vhd/open_disk.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <array>
#include <fstream>

#include "tests/conformance/sync_disk.h"
#include "tests/support/temp_folder.h"
#include "vhd/create.h"
#include "vhd/lock.h"

namespace viridian::vhd {
namespace {

class OpenDiskTest : public testing::Test {
 protected:
  void SetUp() override {
    reactor_ = std::move(*io::Reactor::create());
    CreateOptions options;
    options.size_bytes = 8 << 20;
    ASSERT_TRUE(create_dynamic(base_, options));
    ASSERT_TRUE(create_dynamic(alone_, options));
    ASSERT_TRUE(create_differencing(child_, base_, {}));
    ASSERT_TRUE(create_differencing(sibling_, base_, {}));
  }
  auto open(const std::string& path, bool read_only = false) {
    DiskOptions options;
    options.read_only = read_only;
    return open_disk(*reactor_, path, options);
  }

  TempFolder folder_;
  std::string base_ = folder_.file("base.vhd");
  std::string alone_ = folder_.file("alone.vhd");
  std::string child_ = folder_.file("child.vhd");
  std::string sibling_ = folder_.file("sibling.vhd");
  std::unique_ptr<io::Reactor> reactor_;
};

TEST_F(OpenDiskTest, MoreRequestsAtOnceThanTheRingHoldsAllMoveTheirOwnBytes) {
  constexpr size_t kCount = 64;
  constexpr size_t kBytes = 4096;
  struct Slot : io::IoRequest {
    std::array<iovec, 2> parts;
    size_t* ended = nullptr;
  };
  const auto reactor = io::Reactor::create(4).value();
  const auto disk = open_disk(*reactor, alone_).value();
  io::SyncDisk sync(*reactor, *disk);
  std::vector<std::byte> block(2 << 20, std::byte{0xEE});
  ASSERT_EQ(sync.write(0, block), io::IoStatus::kOk);  // then it is known to be whole
  alignas(kBytes) static std::array<std::byte, kCount * kBytes> memory;
  std::vector<Slot> slots(kCount);
  size_t ended = 0;
  const auto run_all = [&](io::IoOp op) {
    ended = 0;
    for (size_t i = 0; i < kCount; ++i) {
      Slot& slot = slots[i];
      std::byte* at = memory.data() + i * kBytes;
      slot.parts = {{{at, kBytes}, {at + 512, kBytes - 512}}};
      if (i % 2 != 0) slot.parts[0].iov_len = 512;
      slot.data = {slot.parts.data(), 1 + i % 2};
      slot.op = op;
      slot.sector = i * kBytes / kSectorBytes;
      slot.sector_count = kBytes / kSectorBytes;
      slot.ended = &ended;
      slot.done = [](io::IoRequest& self) noexcept { ++*static_cast<Slot&>(self).ended; };
      disk->submit(slot);
    }
    reactor->run_until([&] { return ended == kCount; });
    for (const Slot& slot : slots)
      EXPECT_EQ(slot.status, io::IoStatus::kOk);
  };
  for (size_t i = 0; i < memory.size(); ++i)
    memory[i] = static_cast<std::byte>(i / kBytes + i % 7);
  const auto wanted = memory;
  run_all(io::IoOp::kWrite);
  memory.fill(std::byte{0});
  run_all(io::IoOp::kRead);
  EXPECT_TRUE(memory == wanted);
}

TEST_F(OpenDiskTest, RequestWhoseMemoryDoesNotMatchItsSectorsIsInvalid) {
  const auto disk = open(alone_).value();
  io::SyncDisk sync(*reactor_, *disk);
  std::vector<std::byte> block(2 << 20, std::byte{0xEE});
  ASSERT_EQ(sync.write(0, block), io::IoStatus::kOk);
  alignas(4096) static std::array<std::byte, 8192> memory;
  struct Wait : io::IoRequest {
    bool ended = false;
  } request;
  iovec part = {memory.data(), 4096};
  request.data = {&part, 1};
  request.sector_count = 16;
  request.done = [](io::IoRequest& self) noexcept { static_cast<Wait&>(self).ended = true; };
  disk->submit(request);
  EXPECT_FALSE(request.ended);
  reactor_->run_until([&] { return request.ended; });
  EXPECT_EQ(request.status, io::IoStatus::kInvalid);
}

TEST_F(OpenDiskTest, SecondWriterIsRefusedWithOneLine) {
  const auto first = open(alone_);
  ASSERT_TRUE(first);
  const auto second = open(alone_);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().kind, ErrorKind::kLocked);
  EXPECT_NE(second.error().message.find(alone_), std::string::npos);
  EXPECT_EQ(second.error().message.find('\n'), std::string::npos);
}

TEST_F(OpenDiskTest, LockEndsWithTheDisk) {
  ASSERT_TRUE(open(alone_));
  ASSERT_TRUE(open(alone_));
}

TEST_F(OpenDiskTest, ReadersShareAndKeepWritersOut) {
  const auto first = open(alone_, true);
  ASSERT_TRUE(first);
  EXPECT_TRUE(open(alone_, true));
  const auto writer = open(alone_);
  ASSERT_FALSE(writer);
  EXPECT_EQ(writer.error().kind, ErrorKind::kLocked);
}

TEST_F(OpenDiskTest, ChildrenShareAParentThatNobodyMayWrite) {
  const auto first = open(child_);
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_TRUE(open(sibling_));
  DiskOptions options;
  options.policy.write_parent = true;
  const auto parent = open_disk(*reactor_, base_, options);
  ASSERT_FALSE(parent);
  EXPECT_EQ(parent.error().kind, ErrorKind::kLocked);
  EXPECT_TRUE(open(base_, true));
}

TEST_F(OpenDiskTest, ChildIsNotOpenedWhileItsParentIsWritten) {
  DiskOptions options;
  options.policy.write_parent = true;
  const auto parent = open_disk(*reactor_, base_, options);
  ASSERT_TRUE(parent) << parent.error().message;
  for (const bool read_only : {false, true}) {
    const auto child = open(child_, read_only);
    ASSERT_FALSE(child);
    EXPECT_NE(child.error().message.find("in use"), std::string::npos) << child.error().message;
  }
}

TEST_F(OpenDiskTest, ParentWithAKnownChildIsNotWritten) {
  const auto writer = open(base_);
  ASSERT_FALSE(writer);
  EXPECT_EQ(writer.error().kind, ErrorKind::kMismatch);
  EXPECT_NE(writer.error().message.find("child.vhd"), std::string::npos) << writer.error().message;
  EXPECT_TRUE(open(base_, true));
  EXPECT_TRUE(open(child_));  // a leaf is no parent
  std::filesystem::remove(child_);
  EXPECT_FALSE(open(base_));
  std::filesystem::remove(sibling_);
  EXPECT_TRUE(open(base_));
}

TEST_F(OpenDiskTest, CopyOfAParentHasNoChild) {
  const std::string copy = folder_.file("copy.vhd");
  std::filesystem::copy(base_, copy);
  EXPECT_TRUE(open(copy));
}

// Xen's mark of a raw parent is a null id, which any child of a raw disk has.
TEST_F(OpenDiskTest, RawParentIsKnownByTheWayToIt) {
  const std::string raw = folder_.file("disk.img");
  std::ofstream(raw) << std::string(1 << 20, 'r');
  const std::string other = folder_.file("other.img");
  std::filesystem::copy(raw, other);
  ASSERT_TRUE(create_differencing(folder_.file("on-raw.vhd"), raw, {}));
  EXPECT_FALSE(open(raw));
  EXPECT_TRUE(open(other));
}

TEST_F(OpenDiskTest, LocksAreOnTheBytesThatQemuLooksAt) {
  const auto disk = open(alone_);
  ASSERT_TRUE(disk);
  const UniqueFd other(::open(alone_.c_str(), O_RDWR | O_CLOEXEC));
  const auto held = [&](off_t at) {
    struct flock lock = {};
    lock.l_type = F_WRLCK;
    lock.l_start = at;
    lock.l_len = 1;
    EXPECT_EQ(::fcntl(other.get(), F_OFD_GETLK, &lock), 0);
    return lock.l_type != F_UNLCK;
  };
  EXPECT_TRUE(held(100)) << "reads";
  EXPECT_TRUE(held(101)) << "writes";
  EXPECT_TRUE(held(201)) << "does not share writing";
  EXPECT_TRUE(held(203)) << "does not share resizing";
  EXPECT_FALSE(held(200)) << "shares reading";
}

// The kernel, too, may hold the file for longer than the disk: until a request is forgotten.
TEST_F(OpenDiskTest, LockEndsWithTheDiskThoughItsFileIsStillOpen) {
  DiskDescription description;
  auto disk = open_disk(*reactor_, alone_, {}, &description);
  ASSERT_TRUE(disk);
  disk->reset();
  EXPECT_EQ(open(alone_).error().kind, ErrorKind::kLocked) << "the description has it";
  description.lock = {};
  EXPECT_TRUE(description.leaf);
  EXPECT_TRUE(open(alone_));
}

ImageLock other_lock;  // NOLINT: a pause has no context
int pauses;            // NOLINT

TEST_F(OpenDiskTest, LockOfOneThatIsAboutToEndIsWaitedFor) {
  const UniqueFd other(::open(alone_.c_str(), O_RDWR | O_CLOEXEC));
  other_lock = *ImageLock::take(other.get(), "other", LockMode::kWrite);
  const UniqueFd own(::open(alone_.c_str(), O_RDWR | O_CLOEXEC));
  pauses = 0;
  const auto lock = ImageLock::take(own.get(), "own", LockMode::kWrite, [] {
    if (++pauses == 3) other_lock = {};
  });
  EXPECT_TRUE(lock);
  EXPECT_EQ(pauses, 3);
}

TEST_F(OpenDiskTest, WhoWaitsInVainLeavesNoLock) {
  const UniqueFd other(::open(alone_.c_str(), O_RDWR | O_CLOEXEC));
  auto held = *ImageLock::take(other.get(), "other", LockMode::kWrite);
  const UniqueFd own(::open(alone_.c_str(), O_RDWR | O_CLOEXEC));
  pauses = 0;
  EXPECT_EQ(ImageLock::take(own.get(), "own", LockMode::kWrite, [] { ++pauses; }).error().kind,
            ErrorKind::kLocked);
  EXPECT_EQ(pauses, 30);
  held = {};
  EXPECT_TRUE(open(alone_)) << "own is still open";
}

TEST_F(OpenDiskTest, ReadOnlyDiskTakesNoWriteAndLeavesTheFileAlone) {
  const auto before = std::filesystem::last_write_time(alone_);
  {
    const auto disk = open(alone_, true);
    ASSERT_TRUE(disk);
    EXPECT_TRUE((*disk)->info().read_only);
    std::vector<std::byte> sector(512);
    EXPECT_EQ(io::SyncDisk(*reactor_, **disk).write(0, sector), io::IoStatus::kReadOnly);
    EXPECT_EQ(io::SyncDisk(*reactor_, **disk).simple(io::IoOp::kFlush), io::IoStatus::kOk);
  }
  EXPECT_EQ(std::filesystem::last_write_time(alone_), before);
}

TEST_F(OpenDiskTest, RawFileKeepsItsSizeAndItsBytes) {
  const std::string path = folder_.file("disk.raw");
  std::ofstream(path) << std::string(1024, 'r');
  const auto disk = open(path);
  ASSERT_TRUE(disk) << disk.error().message;
  EXPECT_EQ((*disk)->info().sector_count, 2u);
  std::vector<std::byte> sector(512);
  EXPECT_EQ(io::SyncDisk(*reactor_, **disk).read(1, sector), io::IoStatus::kOk);
  EXPECT_EQ(sector[511], std::byte{'r'});
}

}  // namespace
}  // namespace viridian::vhd
