#include "io/uring_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <array>
#include <fstream>
#include <numeric>
#include <random>

#include "tests/support/sync_file.h"
#include "tests/support/temp_folder.h"

namespace viridian::io {
namespace {

std::vector<std::byte> pattern(size_t bytes, unsigned seed) {
  std::vector<std::byte> result(bytes);
  std::minstd_rand random(seed);
  for (std::byte& byte : result)
    byte = static_cast<std::byte>(random());
  return result;
}

struct Place {
  const char* name;
  const char* folder;
  CacheMode cache;
};

class UringFileTest : public testing::TestWithParam<Place> {
 protected:
  void SetUp() override { reactor_ = std::move(*Reactor::create()); }

  std::unique_ptr<UringFile> open(const std::string& name = "file", bool read_only = false) {
    const std::string path = folder_.file(name);
    std::ofstream(path, std::ios::app).close();
    auto file = UringFile::open(*reactor_, path, {read_only, GetParam().cache});
    EXPECT_TRUE(file) << file.error().message;
    return std::move(*file);
  }

  TempFolder folder_{GetParam().folder};
  std::unique_ptr<Reactor> reactor_;
};

TEST_P(UringFileTest, WrittenBytesAreReadBackByOthers) {
  auto file = open();
  SyncFile sync(*reactor_, *file);
  auto data = pattern(300 << 10, 1);
  ASSERT_EQ(sync.transfer(FileOp::kWrite, 4096, data), 0);
  ASSERT_EQ(sync.sync(), 0);
  EXPECT_EQ(*file->size(), 4096 + data.size());
  std::vector<char> seen(data.size());
  std::ifstream stream(folder_.file("file"), std::ios::binary);
  stream.seekg(4096).read(seen.data(), static_cast<std::streamsize>(seen.size()));
  EXPECT_EQ(std::memcmp(seen.data(), data.data(), data.size()), 0);
}

TEST_P(UringFileTest, MisalignedMemoryAndOddPiecesWork) {
  auto file = open();
  SyncFile sync(*reactor_, *file);
  auto data = pattern(200 * 512 + 100, 2);
  std::vector<iovec> parts;
  size_t at = 3;
  for (size_t length = 1; at + length < data.size(); at += length, length = length * 3 % 4099 + 1)
    parts.push_back({data.data() + at, length});
  FileRequest request;
  request.op = FileOp::kWrite;
  request.offset = 512;
  request.skip = 700;
  request.length = 190 * 512;
  request.data = parts;
  ASSERT_EQ(sync.run(request), 0);
  std::vector<std::byte> read(190 * 512 + 1);
  ASSERT_EQ(sync.transfer(FileOp::kRead, 512, std::span(read).subspan(1)), 0);
  EXPECT_TRUE(std::equal(read.begin() + 1, read.end(), data.begin() + 703));
  // The same through the pieces, into memory that was cleared.
  const auto wanted = data;
  std::fill(data.begin() + 703, data.begin() + 703 + 190 * 512, std::byte{0});
  request.op = FileOp::kRead;
  ASSERT_EQ(sync.run(request), 0);
  EXPECT_TRUE(data == wanted);
}

TEST_P(UringFileTest, BytesBehindTheEndReadAsZeroes) {
  {
    std::ofstream stream(folder_.file("file"), std::ios::binary);
    stream << std::string(700, 'x');
  }
  auto file = open();
  SyncFile sync(*reactor_, *file);
  std::vector<std::byte> read(4096, std::byte{0xFF});
  ASSERT_EQ(sync.transfer(FileOp::kRead, 0, read), 0);
  EXPECT_EQ(std::count(read.begin(), read.begin() + 700, std::byte{'x'}), 700);
  EXPECT_EQ(std::count(read.begin() + 700, read.end(), std::byte{0}), 4096 - 700);
  std::fill(read.begin(), read.end(), std::byte{0xFF});
  ASSERT_EQ(sync.transfer(FileOp::kRead, 1 << 20, read), 0);
  EXPECT_EQ(std::count(read.begin(), read.end(), std::byte{0}), 4096);
}

TEST_P(UringFileTest, PlainTransferIsOneOperationOfTheKernel) {
  struct Wait : Completion {
    bool ended = false;
  } wait;
  wait.run = [](Completion& self) noexcept { static_cast<Wait&>(self).ended = true; };
  auto file = open();
  const auto run = [&](FileOp op, uint64_t offset, std::span<const iovec> data) {
    wait.ended = false;
    uint64_t length = 0;
    for (const iovec& part : data)
      length += part.iov_len;
    if (file->start_plain(wait, op, offset, data, length + 512)) return -2;
    if (!file->start_plain(wait, op, offset, data, length)) return -1;
    reactor_->run_until([&] { return wait.ended; });
    return wait.result;
  };
  alignas(4096) std::array<std::byte, 8192> memory;
  const auto wanted = pattern(memory.size(), 3);
  std::copy(wanted.begin(), wanted.end(), memory.begin());
  const iovec all = {memory.data(), 8192}, odd = {memory.data() + 1, 512};
  const std::array<iovec, 2> halves = {{{memory.data() + 4096, 4096}, {memory.data(), 4096}}};
  EXPECT_EQ(run(FileOp::kWrite, 512, {&all, 1}), 8192);
  EXPECT_EQ(run(FileOp::kRead, 512, halves), 8192);
  EXPECT_TRUE(std::equal(wanted.begin(), wanted.begin() + 4096, memory.begin() + 4096));
  EXPECT_TRUE(std::equal(wanted.begin() + 4096, wanted.end(), memory.begin()));
  EXPECT_EQ(run(FileOp::kRead, 512 + 4096, {&all, 1}), 4096) << "the end of the file";
  EXPECT_EQ(run(FileOp::kRead, 512, {}), -1);
  EXPECT_EQ(run(FileOp::kRead, 512, {&odd, 1}), file->direct() ? -1 : 512);
}

TEST_P(UringFileTest, ZeroedRangeReadsAsZeroesAndNeighboursStay) {
  auto file = open();
  SyncFile sync(*reactor_, *file);
  auto data = pattern(1 << 20, 3);
  ASSERT_EQ(sync.transfer(FileOp::kWrite, 0, data), 0);
  ASSERT_EQ(sync.zero(5 * 512, 900 << 10), 0);
  std::fill_n(data.begin() + 5 * 512, 900 << 10, std::byte{0});
  std::vector<std::byte> read(data.size());
  ASSERT_EQ(sync.transfer(FileOp::kRead, 0, read), 0);
  EXPECT_TRUE(read == data);
  EXPECT_EQ(*file->size(), data.size());
}

TEST_P(UringFileTest, MoreMisalignedRequestsThanBuffersAllEnd) {
  auto file = open();
  struct Slot : FileRequest {
    std::vector<std::byte> bytes;
    iovec part;
    size_t* ended;
  };
  std::vector<Slot> slots(100);
  size_t ended = 0;
  auto run_all = [&](FileOp op) {
    ended = 0;
    for (size_t i = 0; i < slots.size(); ++i) {
      Slot& slot = slots[i];
      slot.part = {slot.bytes.data() + 1, 100 * 1024};
      slot.op = op;
      slot.offset = i * 100 * 1024;
      slot.length = 100 * 1024;
      slot.data = {&slot.part, 1};
      slot.ended = &ended;
      slot.done = [](FileRequest& self) noexcept { ++*static_cast<Slot&>(self).ended; };
      file->submit(slot);
    }
    reactor_->run_until([&] { return ended == slots.size(); });
    for (const Slot& slot : slots)
      EXPECT_EQ(slot.error, 0);
  };
  for (size_t i = 0; i < slots.size(); ++i)
    slots[i].bytes = pattern(100 * 1024 + 1, static_cast<unsigned>(i));
  run_all(FileOp::kWrite);
  for (Slot& slot : slots)
    std::fill(slot.bytes.begin() + 1, slot.bytes.end(), std::byte{0});
  run_all(FileOp::kRead);
  for (size_t i = 0; i < slots.size(); ++i)
    EXPECT_TRUE(slots[i].bytes == pattern(100 * 1024 + 1, static_cast<unsigned>(i))) << i;
}

TEST_P(UringFileTest, ControlCallsTakeAnyOffset) {
  auto file = open();
  const auto data = pattern(1300, 4);
  ASSERT_TRUE(file->write_at(1001, data));
  EXPECT_EQ(*file->size(), 2301u);
  ASSERT_TRUE(file->write_at(2000, std::span(data).first(10)));
  EXPECT_EQ(*file->size(), 2301u);
  std::vector<std::byte> read(2000);
  const auto got = file->read_at(1001, read);
  ASSERT_TRUE(got);
  EXPECT_EQ(*got, 1300u);
  EXPECT_TRUE(std::equal(data.begin(), data.begin() + 999, read.begin()));
  EXPECT_TRUE(std::equal(data.begin(), data.begin() + 10, read.begin() + 999));
  EXPECT_TRUE(std::equal(data.begin() + 1009, data.end(), read.begin() + 1009));
  ASSERT_TRUE(file->resize(512));
  EXPECT_EQ(*file->size(), 512u);
  EXPECT_TRUE(file->sync());
}

TEST_P(UringFileTest, WriteToAReadOnlyFileFailsWithAnError) {
  auto file = open("file", true);
  SyncFile sync(*reactor_, *file);
  std::vector<std::byte> bytes(512);
  EXPECT_EQ(sync.transfer(FileOp::kWrite, 0, bytes), EBADF);
}

INSTANTIATE_TEST_SUITE_P(Places, UringFileTest,
                         testing::Values(Place{"DirectOnDisk", "/var/tmp", CacheMode::kNone},
                                         Place{"Tmpfs", "/dev/shm", CacheMode::kNone},
                                         Place{"Buffered", "/var/tmp", CacheMode::kWriteback}),
                         [](const auto& place) { return std::string(place.param.name); });

TEST(UringFile, FifoAndFolderAreRefusedWithoutWaiting) {
  auto reactor = std::move(*Reactor::create());
  TempFolder folder;
  const std::string fifo = folder.file("fifo");
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  for (const std::string& path : {fifo, folder.path().string()}) {
    const auto file = UringFile::open(*reactor, path, {true, CacheMode::kNone});
    ASSERT_FALSE(file);
    EXPECT_NE(file.error().message.find("not a regular file"), std::string::npos);
  }
  const auto missing = UringFile::open(*reactor, folder.file("none"), {});
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().kind, ErrorKind::kNotFound);
}

TEST(UringFile, BufferedFileIsNotDirect) {
  auto reactor = std::move(*Reactor::create());
  TempFolder folder("/var/tmp");
  std::ofstream(folder.file("file")).close();
  EXPECT_FALSE(
      (*UringFile::open(*reactor, folder.file("file"), {false, CacheMode::kWriteback}))->direct());
}

}  // namespace
}  // namespace viridian::io
