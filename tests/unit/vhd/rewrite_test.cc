// resize.h and compact.h where other programs have gone wrong. What a cut leaves is the crash
// suite's part.
#include <gtest/gtest.h>

#include <algorithm>

#include "io/uring_file.h"
#include "tests/unit/vhd/image_file.h"
#include "vhd/chain.h"
#include "vhd/compact.h"
#include "vhd/resize.h"

namespace viridian::vhd {
namespace {

constexpr uint64_t kGiB = 1ull << 30;
constexpr uint64_t kBlock = 2u << 20;

class RewriteTest : public testing::Test {
 protected:
  // Calls work(file, image) on the image at `path`.
  template <class Work>
  auto rewrite(const std::string& path, Work&& work)
      -> decltype(work(std::declval<io::File&>(), std::declval<const Image&>())) {
    auto link = open_image(path, Access::kReadWrite);
    if (!link) return Unexpected(link.error());
    const Image image = link->image;
    auto file = io::UringFile::adopt(*reactor_, std::move(link->fd), path,
                                     {false, io::CacheMode::kWriteback});
    if (!file) return Unexpected(file.error());
    return work(**file, image);
  }
  Result<ResizeResult> resize(const std::string& path, uint64_t size_bytes) {
    return rewrite(path, [&](io::File& file, const Image& image) {
      return resize_image(file, image, size_bytes);
    });
  }
  Result<CompactResult> compact(const std::string& path, bool parents_zero = true) {
    return rewrite(path, [&](io::File& file, const Image& image) {
      return compact_image(file, image,
                           [=](uint64_t, uint64_t) -> Result<bool> { return parents_zero; });
    });
  }
  static Image load(const std::string& path) {
    auto link = open_image(path, Access::kReadWrite);
    EXPECT_TRUE(link) << link.error().message;
    if (!link) return {};
    EXPECT_TRUE(link->image.warnings.empty()) << link->image.warnings.front();
    return link->image;
  }
  // Puts `value` into the first sector of block `index`, which has a place.
  static void mark(ImageFile& file, uint32_t index, uint64_t value) {
    file.put<be64>(uint64_t{file.entry(index)} * 512 + 512, be64(value));
  }
  static uint64_t mark_of(const std::string& path, uint32_t index) {
    ImageFile file(path);
    return file.get<be64>(uint64_t{file.entry(index)} * 512 + 512);
  }

  TempFolder folder_;
  std::string path_ = folder_.file("disk.vhd");
  std::unique_ptr<io::Reactor> reactor_ = std::move(*io::Reactor::create());
};

using Resize = RewriteTest;
using Compact = RewriteTest;

TEST_F(Resize, MovesNothingWhereTheTableHasRoom) {
  make_dynamic(path_, kGiB);
  const auto done = resize(path_, 2040 * kGiB);
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(done->moved_bytes, 0u);
  EXPECT_EQ(load(path_).size_bytes, 2040 * kGiB);
}

TEST_F(Resize, MovesAtMostOneBlockForTwoMiBOfTable) {
  make_dynamic(path_, kGiB);
  {
    ImageFile file(path_);
    for (uint32_t block = 0; block < 20; ++block) {
      file.append_block(block);
      mark(file, block, block + 1);
    }
  }
  const auto done = resize(path_, 2040 * kGiB);
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_LE(done->moved_bytes, 2 * (kBlock + 512));
  for (uint32_t block = 0; block < 20; ++block)
    EXPECT_EQ(mark_of(path_, block), block + 1);
}

// Xen Orchestra's ensureBatSize() leaves most of the new entries as they were.
TEST_F(Resize, WritesEveryNewEntryUnused) {
  make_dynamic(path_, kGiB);
  {
    ImageFile file(path_);
    for (uint32_t block = 0; block < 4; ++block) {
      file.append_block(block);
      for (uint64_t at = 0; at < kBlock; at += 512)
        file.put<be64>(uint64_t{file.entry(block)} * 512 + 512 + at, be64(7));
    }
  }
  ASSERT_TRUE(resize(path_, 1500 * kGiB));
  const Image image = load(path_);
  ASSERT_EQ(image.bat.size(), 768000u);
  EXPECT_EQ(image.header.max_table_entries.get(), 768000u);
  EXPECT_EQ(std::count(image.bat.begin(), image.bat.end(), kUnusedEntry), 767996);
}

// VirtualBox's resize writes the table over locators that lie behind it.
TEST_F(Resize, KeepsTheLocatorsBehindTheTable) {
  const std::string child = folder_.file("child.vhd");
  make_dynamic(path_, kGiB);
  make_child(child, path_);
  const Image before = load(child);
  ASSERT_EQ(before.locators.size(), 2u);
  ASSERT_TRUE(resize(child, 2000 * kGiB));
  const Image after = load(child);
  ASSERT_EQ(after.locators.size(), 2u);
  for (size_t i = 0; i < 2; ++i)
    EXPECT_EQ(after.locators[i].path, before.locators[i].path);
  EXPECT_EQ(after.parent_unique_id, before.parent_unique_id);
  const auto chain = open_chain(child, Access::kReadOnly);
  ASSERT_TRUE(chain) << chain.error().message;
  EXPECT_EQ(chain->size(), 2u);
}

// Xen Orchestra's footers differ after some operations, and QEMU up to 9 believes the geometry.
TEST_F(Resize, ChangesSizeAndGeometryInBothFooters) {
  make_dynamic(path_, kGiB);
  ASSERT_TRUE(resize(path_, 3 * kGiB + 512));
  ImageFile file(path_);
  const auto last = file.get<Footer>(file.size() - sizeof(Footer));
  EXPECT_EQ(last, file.get<Footer>(0));
  EXPECT_EQ(last.current_size.get(), 3 * kGiB + 512);
  EXPECT_EQ(last.original_size.get(), kGiB);
  EXPECT_EQ(last.geometry, max_geometry());
}

TEST_F(Resize, KeepsWhatOtherProgramsPutIntoReservedBytes) {
  make_dynamic(path_, kGiB);
  ImageFile(path_).change_footer([](Footer& footer) { footer.reserved[100] = 0x5a; });
  ImageFile(path_).change_header([](SparseHeader& header) { header.reserved_2[9] = 0xa5; });
  ASSERT_TRUE(resize(path_, 100 * kGiB));
  EXPECT_EQ(load(path_).footer.reserved[100], 0x5a);
  EXPECT_EQ(load(path_).header.reserved_2[9], 0xa5);
}

TEST_F(Resize, ShowsZeroesWhereAShrunkDiskGrowsAgain) {
  make_dynamic(path_, kGiB);
  {
    ImageFile file(path_);
    file.append_block(0);
    file.put<be64>(uint64_t{file.entry(0)} * 512 + 512 + 4096, be64(1));
  }
  ASSERT_TRUE(resize(path_, 4096));
  ASSERT_TRUE(resize(path_, kGiB));
  ImageFile file(path_);
  const uint64_t at = uint64_t{file.entry(0)} * 512;
  EXPECT_EQ(file.get<be64>(at + 512 + 4096).get(), 0u);
  EXPECT_EQ(file.get<be64>(at).get(), 0xff00000000000000u) << "the bits behind the end";
}

TEST_F(Resize, RefusesWhatTheFormatCannotHold) {
  make_dynamic(path_, kGiB);
  for (const uint64_t size : {uint64_t{0}, uint64_t{1000}, 2040 * kGiB + 512}) {
    const auto done = resize(path_, size);
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().kind, ErrorKind::kInvalidArgument);
  }
  EXPECT_EQ(load(path_).size_bytes, kGiB);
}

// Xen's block map lies directly behind the table, and its tools look for it there.
TEST_F(Resize, TakesXensBlockMapAlong) {
  make_dynamic(path_, kGiB);
  {
    ImageFile file(path_);
    file.append_block(3);
    file.change_footer([](Footer& footer) { footer.creator_application = {'t', 'a', 'p', 0}; });
    // The table of 512 entries ends at 3584, where the first block is: move it behind a map.
    BatmapHeader header;
    header.cookie = kBatmapCookie;
    header.map_offset = 0x1000 + 512;
    header.map_sectors = 1;
    header.version = 0x00010002;
    header.checksum = ~uint32_t{0x10};
    std::array<std::byte, 512> map{};
    map[0] = std::byte{0x10};  // block 3
    const auto footer = file.get<Footer>(0);
    file.resize(0x400000);
    file.set_entry(3, 0x100000 / 512);
    for (uint64_t i = 0; i < 64; ++i)
      file.put<be64>(0x100000 + i * 8, be64(~uint64_t{0}));
    file.put(file.size() - sizeof(Footer), footer);
    file.put(1536 + 2048, header);
    header.map_offset = 1536 + 2048 + 512;
    file.put(1536 + 2048, header);
    ASSERT_TRUE(write_exact(file.view(), header.map_offset, map, "map"));
  }
  ASSERT_TRUE(load(path_).batmap);
  ASSERT_TRUE(resize(path_, 20 * kGiB));
  const Image image = load(path_);
  ASSERT_TRUE(image.batmap);
  EXPECT_EQ(image.batmap->header_offset, image.bat_offset + 20 * kGiB / kBlock * 4);
  EXPECT_EQ(image.batmap->map_bytes * 8 >= 20 * kGiB / kBlock, true);
  ImageFile file(path_);
  EXPECT_EQ(file.get<be64>(image.batmap->map_offset).get(), 0x1000000000000000u);
  EXPECT_EQ(file.get<BatmapHeader>(image.batmap->header_offset).checksum.get(), ~uint32_t{0x10});
}

TEST_F(Compact, FreesBlocksOfZeroesAndKeepsTheOthers) {
  make_dynamic(path_, kGiB);
  {
    ImageFile file(path_);
    for (uint32_t block = 0; block < 12; ++block) {
      file.append_block(block);
      if (block % 3 == 0) mark(file, block, block + 1);
    }
  }
  const auto done = compact(path_);
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(done->freed_blocks, 8u);
  EXPECT_LE(done->moved_bytes, 4 * (kBlock + 512));
  EXPECT_LE(done->new_file_bytes, (4096 + 4 * (kBlock + 512)) * 101 / 100);
  EXPECT_EQ(std::filesystem::file_size(path_), done->new_file_bytes);
  for (uint32_t block = 0; block < 12; block += 3)
    EXPECT_EQ(mark_of(path_, block), block + 1);
}

// VirtualBox frees a child's zeroes whatever they hide, and dosbox-x never wrote them.
TEST_F(Compact, KeepsZeroesThatHideTheParent) {
  make_dynamic(path_, kGiB);
  const std::string child = make_child(folder_.file("child.vhd"), path_);
  ImageFile(child).append_block(5);
  auto done = compact(child, false);
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(done->freed_blocks, 0u);
  EXPECT_NE(load(child).bat[5], kUnusedEntry);
  done = compact(child, true);
  ASSERT_TRUE(done);
  EXPECT_EQ(done->freed_blocks, 1u);
}

// VirtualBox looks at the data and not at the bitmap.
TEST_F(Compact, GoesByTheBitmapAndNotByWhatLiesInUnusedSectors) {
  make_dynamic(path_, kGiB);
  {
    ImageFile file(path_);
    file.append_block(2);
    for (uint64_t i = 0; i < 64; ++i)
      file.put<be64>(uint64_t{file.entry(2)} * 512 + i * 8, be64(0));
    mark(file, 2, 99);
  }
  const auto done = compact(path_);
  ASSERT_TRUE(done);
  EXPECT_EQ(done->freed_blocks, 1u);
}

// VirtualBox computes the blocks' numbers without their bitmaps and loses count in large images.
TEST_F(Compact, KnowsEveryBlockOfAnImageOfThousands) {
  CreateOptions options;
  options.size_bytes = 20480 * 4096;
  options.block_size = 4096;
  ASSERT_TRUE(create_dynamic(path_, options));
  {
    ImageFile file(path_);
    for (uint32_t i = 0; i < 5000; ++i) {
      const uint32_t block = i * 7919 % 20480;
      file.append_block(block);
      if (i % 50 == 0) mark(file, block, block + 1);
    }
  }
  const auto done = compact(path_);
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(done->freed_blocks, 4900u);
  EXPECT_LE(done->new_file_bytes, (1536 + 81920 + 100 * (4096 + 512) + 512) * 101 / 100);
  for (uint32_t i = 0; i < 5000; i += 50) {
    const uint32_t block = i * 7919 % 20480;
    ASSERT_EQ(mark_of(path_, block), block + 1);
  }
}

TEST_F(Compact, ClosesGapsThatNoBlockFitsInto) {
  make_dynamic(path_, kGiB);
  {
    ImageFile file(path_);
    for (uint32_t block = 0; block < 40; ++block) {
      file.append_block(block);
      mark(file, block, block + 1);
      const auto footer = file.get<Footer>(0);
      file.resize(file.size() + kBlock / 2);
      file.put(file.size() - sizeof(Footer), footer);
    }
  }
  const auto done = compact(path_);
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_LE(done->new_file_bytes, (4096 + 40 * (kBlock + 512)) * 101 / 100);
  for (uint32_t block = 0; block < 40; ++block)
    EXPECT_EQ(mark_of(path_, block), block + 1);
  const auto again = compact(path_);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->moved_bytes, 0u);
}

TEST_F(Compact, HasNothingToDoInAFixedImage) {
  CreateOptions options;
  options.size_bytes = 1 << 20;
  ASSERT_TRUE(create_fixed(path_, options));
  EXPECT_EQ(compact(path_).error().kind, ErrorKind::kInvalidArgument);
}

}  // namespace
}  // namespace viridian::vhd
