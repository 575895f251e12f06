// What a conversion is made of: pieces of a disk, runs that are not zero, reading a chain without
// the engine, and writing a whole image.
#include "vhd/tool/copy.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "tests/unit/vhd/image_file.h"
#include "vhd/tool/aligned_buffer.h"
#include "vhd/tool/dynamic_target.h"
#include "vhd/tool/image_source.h"
#include "vhd/tool/zero_scan.h"

namespace viridian::vhd::tool {
namespace {

constexpr uint64_t kBlock = 2 << 20;
using Pairs = std::vector<std::pair<uint64_t, uint64_t>>;

Pairs pieces_of(std::vector<Range> ranges, uint64_t size) {
  PieceWalker walker(std::move(ranges), size);
  Pairs found;
  for (Piece piece; walker.next(piece);)
    found.push_back({piece.offset, piece.length});
  return found;
}

TEST(PieceWalker, PiecesAreAlignedAndNoneCrossesItsUnit) {
  EXPECT_EQ(pieces_of({{512, 1}}, 8192), (Pairs{{0, 4096}}));
  EXPECT_EQ(pieces_of({{kPieceBytes - 4096, 8192}}, kBlock),
            (Pairs{{kPieceBytes - 4096, 4096}, {kPieceBytes, 4096}}));
}

TEST(PieceWalker, PiecesAreAsSmallAsAskedFor) {
  PieceWalker walker({{4096, 3 * kCachedPieceBytes}}, kBlock, kCachedPieceBytes);
  Pairs found;
  for (Piece piece; walker.next(piece);)
    found.push_back({piece.offset, piece.length});
  EXPECT_EQ(found, (Pairs{{4096, kCachedPieceBytes - 4096},
                          {kCachedPieceBytes, kCachedPieceBytes},
                          {2 * kCachedPieceBytes, kCachedPieceBytes},
                          {3 * kCachedPieceBytes, 4096}}));
}

TEST(PieceWalker, NothingIsGivenOutTwiceAndNothingBehindTheDisk) {
  EXPECT_EQ(pieces_of({{0, 512}, {1024, 512}, {4096, 1}}, 4608), (Pairs{{0, 4096}, {4096, 512}}));
}

TEST(ZeroScan, RunsOfZeroesAreLeftOut) {
  std::vector<std::byte> bytes(5 * kZeroUnit + 512);
  bytes[kZeroUnit + 1] = std::byte{1};
  bytes[2 * kZeroUnit] = std::byte{1};
  bytes.back() = std::byte{1};
  Pairs runs;
  for_each_run(bytes, [&](size_t offset, size_t length) { runs.push_back({offset, length}); });
  EXPECT_EQ(runs, (Pairs{{kZeroUnit, 2 * kZeroUnit}, {5 * kZeroUnit, 512}}));
  EXPECT_TRUE(all_zero(std::span(bytes).first(kZeroUnit)));
  EXPECT_TRUE(all_zero({}));
}

std::unique_ptr<ImageSource> opened(const std::string& path) {
  auto source = ImageSource::open(path, {}, false);
  EXPECT_TRUE(source) << source.error().message;
  return source ? std::move(*source) : nullptr;
}

uint8_t byte_at(ImageSource& source, uint64_t offset) {
  std::byte sector[512];
  EXPECT_TRUE(source.read_at(offset / 512 * 512, sector));
  return std::to_integer<uint8_t>(sector[offset % 512]);
}

// Sets the data and the bit of one sector of the first block that was appended.
void fill_sector(const std::string& path, uint32_t block, uint64_t sector, bool set) {
  ImageFile file(path);
  const uint64_t at = uint64_t{file.entry(block)} * 512;
  std::array<std::byte, 512> data;
  data.fill(std::byte{0xab});
  ASSERT_TRUE(write_exact(file.view(), at + 512 + sector * 512, data, "test"));
  auto bits = read_struct<be64>(file.view(), at + sector / 64 * 8, "test");
  ASSERT_TRUE(bits);
  const uint64_t bit = uint64_t{1} << (63 - sector % 64);
  file.put<be64>(at + sector / 64 * 8, set ? *bits | bit : *bits & ~bit);
}

TEST(ImageSource, SectorsWithoutTheirBitAreZeroesOrTheParents) {
  const TempFolder folder;
  const std::string base = make_dynamic(folder.file("base.vhd"));
  ImageFile(base).append_block(3);
  fill_sector(base, 3, 9, true);
  fill_sector(base, 3, 10, false);
  const auto parent = opened(base);
  EXPECT_EQ(byte_at(*parent, 3 * kBlock + 9 * 512), 0xab);
  EXPECT_EQ(byte_at(*parent, 3 * kBlock + 10 * 512), 0);
  const std::string child = make_child(folder.file("child.vhd"), base);
  ImageFile(child).append_block(3);
  fill_sector(child, 3, 9, false);
  fill_sector(child, 3, 70, false);
  const auto leaf = opened(child);
  EXPECT_EQ(byte_at(*leaf, 3 * kBlock + 9 * 512), 0xab);  // the parent's
  EXPECT_EQ(byte_at(*leaf, 3 * kBlock + 8 * 512), 0);     // the child's
  EXPECT_EQ(byte_at(*leaf, 3 * kBlock + 70 * 512), 0);    // the parent's
}

TEST(ImageSource, WhatLiesBeyondASmallerParentIsZeroes) {
  const TempFolder folder;
  const std::string base = make_dynamic(folder.file("base.vhd"), kBlock);
  CreateOptions options;
  options.size_bytes = 3 * kBlock;
  const std::string child = folder.file("child.vhd");
  ASSERT_TRUE(create_differencing(child, base, options));
  const auto leaf = opened(child);
  EXPECT_EQ(byte_at(*leaf, 2 * kBlock), 0);
}

// Data in memory, so that what a target gets can be compared.
class MemorySource final : public DiskSource {
 public:
  explicit MemorySource(std::vector<std::byte> bytes)
      : bytes_(std::move(bytes)), walker_({{0, bytes_.size()}}, bytes_.size()) {}
  std::optional<uint64_t> size_bytes() const override { return bytes_.size(); }
  Result<bool> next(Piece& piece) override { return walker_.next(piece); }
  Result<void> read(Piece& piece) override {
    if (piece.offset == fail_at) return fail(ErrorKind::kIo, "no such bytes");
    std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(piece.offset), piece.length,
                piece.buffer.begin());
    return {};
  }
  uint64_t fail_at = ~uint64_t{0};

 private:
  std::vector<std::byte> bytes_;
  PieceWalker walker_;
};

std::vector<std::byte> some_disk(uint64_t size) {
  std::vector<std::byte> bytes(size);
  std::minstd_rand random(5);
  for (uint64_t at = 0; at + 4096 <= size; at += 4096 * (1 + random() % 100))
    bytes[at] = std::byte{static_cast<uint8_t>(1 + random() % 255)};
  return bytes;
}

Result<CopyResult> write_dynamic(const std::string& path, MemorySource& source, uint32_t block_size,
                                 bool direct) {
  CreateOptions options;
  options.size_bytes = *source.size_bytes();
  options.block_size = block_size;
  const UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  DynamicTarget target(FileSink(fd.get(), path, direct, false), options);
  Progress progress(options.size_bytes);
  auto result = copy_disk(source, target, progress, 4);
  EXPECT_TRUE(!result || target.finish(options.size_bytes));
  return result;
}

TEST(DynamicTarget, ImagesOfEveryBlockSizeReadAsTheirDisk) {
  const TempFolder folder;
  const auto disk = some_disk((5 << 20) + 1536);
  for (uint32_t block_size : {512u, 4096u, 65536u, 2u << 20, 16u << 20}) {
    for (bool direct : {false, true}) {
      MemorySource source(disk);
      const std::string path = folder.file(std::to_string(block_size) + ".vhd");
      const auto copied = write_dynamic(path, source, block_size, direct);
      ASSERT_TRUE(copied) << copied.error().message;
      const auto image = opened(path);
      ASSERT_TRUE(image);
      EXPECT_EQ(image->image().warnings, std::vector<std::string>{});
      std::vector<std::byte> back(disk.size());
      ASSERT_TRUE(image->read_at(0, back));
      EXPECT_TRUE(back == disk) << block_size;
    }
  }
}

TEST(DynamicTarget, BlocksAreInTheOrderOfTheDiskHoweverTheThreadsRun) {
  const TempFolder folder;
  MemorySource source(some_disk(24 << 20));
  ASSERT_TRUE(write_dynamic(folder.file("x.vhd"), source, 65536, false));
  const auto image = opened(folder.file("x.vhd"));
  uint32_t before = 0;
  for (uint32_t entry : image->image().bat) {
    if (entry == kUnusedEntry) continue;
    EXPECT_GT(entry, before);
    before = entry;
  }
}

TEST(Copy, FirstErrorEndsItAndIsReported) {
  const TempFolder folder;
  MemorySource source(some_disk(24 << 20));
  source.fail_at = 7 << 20;
  const auto copied = write_dynamic(folder.file("x.vhd"), source, 65536, false);
  ASSERT_FALSE(copied);
  EXPECT_EQ(copied.error().message, "no such bytes");
}

}  // namespace
}  // namespace viridian::vhd::tool
