// Images that lie, each made from a valid one with right checksums: refused, with the field named,
// or read without harm. The cases are those that other readers of VHD get wrong.
#include <gtest/gtest.h>

#include <functional>
#include <ostream>

#include "tests/unit/vhd/image_file.h"
#include "vhd/chain.h"

namespace viridian::vhd {
namespace {

struct Case {
  std::string name;
  std::function<void(ImageFile&)> damage;
  std::string field;  // which the message names; empty: the image still opens
};

void PrintTo(const Case& one, std::ostream* out) { *out << one.name; }

auto footer(std::function<void(Footer&)> change) {
  return [change](ImageFile& file) { file.change_footer(change); };
}
auto header(std::function<void(SparseHeader&)> change) {
  return [change](ImageFile& file) { file.change_header(change); };
}
auto block_size(uint32_t value) {
  return header([value](SparseHeader& h) { h.block_size = value; });
}
auto entries(uint32_t value) {
  return header([value](SparseHeader& h) { h.max_table_entries = value; });
}
auto table_at(uint64_t value) {
  return header([value](SparseHeader& h) { h.table_offset = value; });
}
auto header_at(uint64_t value) {
  // Not through change_footer: the header could no longer be found for the next change.
  return footer([value](Footer& f) { f.data_offset = value; });
}
auto current_size(uint64_t value) {
  return footer([value](Footer& f) { f.current_size = value; });
}
auto disk_type(uint32_t value) {
  return footer([value](Footer& f) { f.disk_type = value; });
}
auto entry(uint32_t index, uint32_t sector) {
  return [=](ImageFile& file) { file.set_entry(index, sector); };
}

// The valid image: 20 entries, blocks 3 and 4 are there, from 0xe00 on.
constexpr uint32_t kBlock3 = 0xe00 / 512;

std::vector<Case> header_cases() {
  return {
      {"BlockSizeZero", block_size(0), "block_size"},
      {"BlockSize256", block_size(256), "block_size"},
      {"BlockSize512", block_size(512), "max_table_entries"},
      {"BlockSize3MiB", block_size(3 << 20), "block_size"},
      {"BlockSizeTooLarge", block_size(1u << 31), "block_size"},
      {"BlockSizeDoubled", block_size(4 << 20), "table entry 4"},
      {"NoEntries", entries(0), "max_table_entries"},
      {"OneEntry", entries(1), "max_table_entries"},
      {"OneEntryTooFew", entries(19), "max_table_entries"},
      {"TooManyEntries30", entries((1u << 30) - 1), "table_offset"},
      {"TooManyEntries32", entries(~0u), "table_offset"},
      {"MoreEntriesThanNeeded", entries(40), ""},
      {"MoreEntriesIntoTheFirstBlock", entries(4096), "table_offset"},
      {"TableOverTheFooter", table_at(0), "header: table_offset"},
      {"TableOverTheHeader", table_at(1024), "header: table_offset"},
      {"TableBehindTheEnd", table_at(1ull << 40), "table_offset"},
      {"TableAtTheVeryEnd", table_at(~0ull), "table_offset"},
      {"TableOverflowing", table_at(~0ull - 511), "table_offset"},
      {"TableInABlock", table_at(1 << 20), "table entry"},
      {"TableUnaligned", table_at(1537), "table_offset"},
      {"HeaderBeforeTheFile", header_at(0ull - 512), "data_offset"},
      {"HeaderFarBehind", header_at(1ull << 50), "data_offset"},
      {"HeaderOverTheFooter", header_at(0), "data_offset"},
      {"HeaderMissing", header_at(4096), "cookie"},
      {"HeaderUnaligned", header_at(513), "data_offset"},
  };
}

std::vector<Case> footer_cases() {
  return {
      {"SizeZero", current_size(0), "current_size"},
      {"SizeOdd", current_size(kTestSize + 1), "current_size"},
      {"SizeOneBlockMore", current_size(kTestSize + 512), "max_table_entries"},
      {"SizeHuge", current_size(1ull << 63), "current_size"},
      {"SizeMost", current_size(~0ull - 511), "current_size"},
      {"Type0", disk_type(0), "disk_type"},
      {"Type1", disk_type(1), "disk_type"},
      {"Type2WithAHeader", disk_type(2), "disk_type"},
      {"Type4WithoutAParent", disk_type(4), "parent_locators"},
      {"Type5", disk_type(5), "disk_type"},
      {"TypeMost", disk_type(~0u), "disk_type"},
      {"Version2", footer([](Footer& f) { f.file_format_version = 0x20000; }),
       "file_format_version"},
      {"HeaderVersion2", header([](SparseHeader& h) { h.header_version = 0x20000; }),
       "header_version"},
      {"SavedState", footer([](Footer& f) { f.saved_state = 1; }), "saved_state"},
  };
}

std::vector<Case> table_and_file_cases() {
  return {
      {"EntryZero", entry(0, 0), "table entry 0"},
      {"EntryInTheTable", entry(0, 4), "table entry 0"},
      {"EntryOnTheHeader", entry(0, 1), "table entry 0"},
      {"EntryTwice", entry(0, kBlock3), "table entry 3"},
      {"EntryIntoAnother", entry(0, kBlock3 + 4096), "table entry"},
      {"EntryBehindTheEnd", entry(19, 0x7fffffff), "table entry 19"},
      {"EntryMost", entry(19, 0xfffffffe), "table entry 19"},
      {"EntryOnTheLastFooter",
       [](ImageFile& f) { f.set_entry(0, static_cast<uint32_t>(f.size() / 512 - 1)); },
       "table entry 0"},
      {"EntryBehindTheDisk", entry(20, 0), ""},  // in the table's padding, which means nothing
      {"HeaderChecksum",
       [](ImageFile& f) { f.put(512 + offsetof(SparseHeader, parent_time_stamp), be32(1)); },
       "header: checksum"},
      {"BothFooterChecksums",
       [](ImageFile& f) {
         f.put(24, be32(1));
         f.put(f.size() - 512 + 24, be32(1));
       },
       "checksum"},
      {"CutInABlock", [](ImageFile& f) { f.resize(f.size() - (1 << 20)); }, "table entry 4"},
      {"CutInTheTable", [](ImageFile& f) { f.resize(1536); }, "table_offset"},
      {"CutInTheHeader", [](ImageFile& f) { f.resize(1024); }, "data_offset"},
      {"CutBehindTheCopy", [](ImageFile& f) { f.resize(512); }, "footer"},
      {"CutInTheCopy", [](ImageFile& f) { f.resize(100); }, "footer"},
      {"Empty", [](ImageFile& f) { f.resize(0); }, "footer"},
      {"GrownToAFileOfNothing", [](ImageFile& f) { f.resize(1ull << 43); }, ""},
  };
}

class HostileImage : public testing::TestWithParam<Case> {};

TEST_P(HostileImage, IsRefusedByFieldOrReadWithoutHarm) {
  const TempFolder folder;
  const std::string path = make_dynamic(folder.file("x.vhd"));
  {
    ImageFile file(path);
    file.append_block(3);
    file.append_block(4);
    const auto good = open_image(path, Access::kReadWrite);
    ASSERT_TRUE(good) << good.error().message;
    GetParam().damage(file);
  }
  const auto image = open_image(path, Access::kReadWrite);
  if (GetParam().field.empty()) {
    EXPECT_TRUE(image) << image.error().message;
    return;
  }
  ASSERT_FALSE(image);
  EXPECT_NE(image.error().message.find(GetParam().field), std::string::npos)
      << image.error().message;
  EXPECT_TRUE(image.error().message.starts_with(path + ": ")) << image.error().message;
  EXPECT_EQ(image.error().message.find('\n'), std::string::npos);
}

std::string name_of(const testing::TestParamInfo<Case>& test) { return test.param.name; }
INSTANTIATE_TEST_SUITE_P(Header, HostileImage, testing::ValuesIn(header_cases()), name_of);
INSTANTIATE_TEST_SUITE_P(Footer, HostileImage, testing::ValuesIn(footer_cases()), name_of);
INSTANTIATE_TEST_SUITE_P(File, HostileImage, testing::ValuesIn(table_and_file_cases()), name_of);

// Every 32-bit word of footer and header at 0, 1, its neighbours and the largest value: whatever
// the verdict, it comes without harm, which the sanitizers watch.
TEST(HostileImage, AnyWordOfTheMetadataMayBeAnything) {
  const TempFolder folder;
  const std::string parent = make_dynamic(folder.file("base.vhd"));
  const std::string path = make_child(folder.file("x.vhd"), parent);
  ImageFile file(path);
  const Footer good_footer = file.get<Footer>(0);
  const SparseHeader good_header = file.get<SparseHeader>(512);
  auto try_words = [&](auto good, uint64_t offset, bool both) {
    for (size_t word = 0; word < sizeof(good) / 4; ++word) {
      const be32 old = *read_wire<be32>(wire_bytes(good), word * 4);
      for (uint32_t value : {0u, 1u, old - 1, old + 1, 0x7fffffffu, 0x80000000u, ~0u}) {
        auto changed = good;
        write_wire(std::as_writable_bytes(std::span(&changed, 1)), be32(value), word * 4);
        seal(changed);
        file.put(offset, changed);
        if (both) file.put(file.size() - 512, changed);
        (void)open_image(path, Access::kReadOnly);
      }
    }
    file.put(offset, good);
    if (both) file.put(file.size() - 512, good);
  };
  try_words(good_footer, 0, true);
  try_words(good_footer, file.size() - 512, false);
  try_words(good_header, 512, false);
  const auto image = open_image(path, Access::kReadWrite);
  EXPECT_TRUE(image) << image.error().message;
}

TEST(HostileLocator, OutsideTheFileOrTooLongIsRefused) {
  const TempFolder folder;
  const std::string parent = make_dynamic(folder.file("base.vhd"));
  const std::string path = make_child(folder.file("x.vhd"), parent);
  ImageFile file(path);
  const SparseHeader good = file.get<SparseHeader>(512);
  auto with = [&](auto&& change) {
    SparseHeader header = good;
    change(header.parent_locators[1]);
    seal(header);
    file.put(512, header);
    return open_image(path, Access::kReadWrite);
  };
  for (uint64_t offset : {uint64_t{1} << 40, ~uint64_t{0}, file.size()}) {
    const auto image = with([&](ParentLocator& one) { one.platform_data_offset = offset; });
    ASSERT_FALSE(image);
    EXPECT_NE(image.error().message.find("parent_locators[1]"), std::string::npos);
  }
  EXPECT_FALSE(with([](ParentLocator& one) { one.platform_data_length = ~0u; }));
  EXPECT_FALSE(with([](ParentLocator& one) { one.platform_data_length = (64 << 10) + 2; }));
  EXPECT_FALSE(with([](ParentLocator& one) { one.platform_data_offset = 512; }));  // the header
  // Odd lengths and unknown codes are no path, but no danger either.
  EXPECT_TRUE(with([](ParentLocator& one) { one.platform_data_length = 7; }));
  EXPECT_TRUE(with([](ParentLocator& one) { one.platform_code = 0x01020304; }));
  EXPECT_TRUE(with([](ParentLocator& one) { one.platform_data_space = ~0u; }));
}

TEST(HostileLocator, UnderABlockIsRefused) {
  const TempFolder folder;
  const std::string parent = make_dynamic(folder.file("base.vhd"));
  const std::string path = make_child(folder.file("x.vhd"), parent);
  ImageFile file(path);
  file.append_block(0);
  const uint64_t text = file.get<SparseHeader>(512).parent_locators[1].platform_data_offset;
  ASSERT_TRUE(open_image(path, Access::kReadWrite));
  file.set_entry(0, static_cast<uint32_t>(text / 512));
  const auto image = open_image(path, Access::kReadWrite);
  ASSERT_FALSE(image);
  EXPECT_NE(image.error().message.find("table entry 0"), std::string::npos)
      << image.error().message;
}

TEST(HostileLocator, EightAlikeAreRead) {
  const TempFolder folder;
  const std::string parent = make_dynamic(folder.file("base.vhd"));
  const std::string path = make_child(folder.file("x.vhd"), parent);
  ImageFile file(path);
  file.change_header([](SparseHeader& header) {
    header.parent_locators.fill(header.parent_locators[1]);
    for (be16& unit : header.parent_unicode_name)
      unit = 0xd800;  // unpaired, and not terminated
  });
  const auto chain = open_chain(path, Access::kReadOnly);
  ASSERT_TRUE(chain) << chain.error().message;
  EXPECT_EQ(chain->front().image.locators.size(), 8u);
}

TEST(HostileBatmap, OutsideTheFileOrOverABlockIsRefused) {
  const TempFolder folder;
  const std::string path = make_dynamic(folder.file("x.vhd"));
  ImageFile file(path);
  file.append_block(3);
  file.change_footer([](Footer& footer) { footer.creator_application = {'t', 'a', 'p'}; });
  BatmapHeader header;
  header.cookie = kBatmapCookie;
  header.map_offset = 0xa00;
  header.map_sectors = 1;
  const auto with = [&] {
    file.put(0x800, header);
    return open_image(path, Access::kReadWrite);
  };
  const auto good = with();
  ASSERT_TRUE(good) << good.error().message;
  EXPECT_EQ(good->image.batmap->map_offset, 0xa00u);
  header.key_hash_set = 1;
  EXPECT_FALSE(with());
  EXPECT_TRUE(open_image(path, Access::kReadOnly));
  header.key_hash_set = 0;
  for (uint64_t offset : {uint64_t{0}, uint64_t{0x10000}, ~uint64_t{0}}) {
    header.map_offset = offset;
    EXPECT_FALSE(with()) << offset;
  }
  header.map_offset = 0xa00;
  header.map_sectors = ~0u;
  EXPECT_FALSE(with());
  header.map_sectors = 1;
  ASSERT_TRUE(with());
  file.set_entry(3, 0xa00 / 512);
  const auto under = with();
  ASSERT_FALSE(under);
  EXPECT_NE(under.error().message.find("table entry 3"), std::string::npos)
      << under.error().message;
}

// 2^32 entries in a file that is all hole: the limit comes before the memory.
TEST(HostileTable, OfTheLargestSizeCostsNoMemory) {
  const TempFolder folder;
  const std::string path = make_dynamic(folder.file("x.vhd"));
  ImageFile file(path);
  file.resize(uint64_t{1} << 42);
  file.change_copy([](Footer& footer) { footer.current_size = uint64_t{1} << 40; });
  file.change_header([](SparseHeader& header) {
    header.block_size = 512;
    header.max_table_entries = ~0u;
  });
  const auto image = open_image(path, Access::kReadOnly);
  ASSERT_FALSE(image);
  EXPECT_NE(image.error().message.find("block_size"), std::string::npos) << image.error().message;
}

}  // namespace
}  // namespace viridian::vhd
