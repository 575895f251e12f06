// What repair finds and mends, flaw by flaw; tests/crash/repair_crash_test.cc cuts it.
#include "vhd/repair.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include "io/memory_file.h"
#include "tests/support/damaged_image.h"
#include "tests/support/memory_chain.h"

namespace viridian::vhd {
namespace {

class Repair : public testing::Test {
 protected:
  Result<RepairPlan> plan(const std::vector<std::byte>& bytes, const RepairChoices& choices = {}) {
    fd_ = UniqueFd(::memfd_create("image", MFD_CLOEXEC));
    const auto file = view_file(fd_.get(), "x.vhd");
    EXPECT_TRUE(write_exact(*file, 0, bytes, "test"));
    return plan_repair(*view_file(fd_.get(), "x.vhd"), {}, choices);
  }
  std::vector<std::byte> mend(const std::vector<std::byte>& bytes, const RepairPlan& plan) {
    io::MemoryFile file(*reactor_, "x.vhd", bytes);
    const auto done = apply_repair(file, plan);
    EXPECT_TRUE(done) << done.error().message;
    return file.bytes();
  }
  std::unique_ptr<io::Reactor> reactor_ = std::move(*io::Reactor::create());
  UniqueFd fd_;
};

TEST_F(Repair, FindsNothingInASoundImage) {
  for (bool batmap : {false, true}) {
    ImageBytes image;
    if (batmap) image.add_batmap();
    const auto planned = plan(image.bytes());
    ASSERT_TRUE(planned) << planned.error().message;
    EXPECT_TRUE(planned->flaws.empty()) << planned->flaws.front().text;
    EXPECT_TRUE(planned->changes.empty());
    EXPECT_TRUE(planned->warnings.empty());
  }
}

TEST_F(Repair, NamesEachDamageAndMendsItOrSaysWhyNot) {
  size_t number = 0;
  for (const Damage& damage : damages()) {
    SCOPED_TRACE(std::to_string(number++) + " " + damage.name);
    ImageBytes image;
    ImageBytes sound;  // with its own ids, but the same blocks
    damage.apply(image);
    const auto planned = plan(image.bytes());
    ASSERT_TRUE(planned) << planned.error().message;
    ASSERT_FALSE(planned->flaws.empty());
    const auto flaw =
        std::find_if(planned->flaws.begin(), planned->flaws.end(),
                     [&](const Flaw& one) { return one.name == std::string_view(damage.name); });
    ASSERT_NE(flaw, planned->flaws.end()) << planned->flaws.front().name;
    EXPECT_EQ(flaw->cure, damage.cure) << flaw->text;
    EXPECT_EQ(planned->obstacle() == nullptr, damage.cure == Cure::kRepair);
    if (damage.cure != Cure::kRepair) {
      EXPECT_FALSE(planned->obstacle()->advice.empty());
      io::MemoryFile file(*reactor_, "x.vhd", image.bytes());
      EXPECT_FALSE(apply_repair(file, *planned));
      EXPECT_EQ(file.bytes(), image.bytes());
    }
    if (damage.cure == Cure::kNone) continue;

    const auto chosen = plan(image.bytes(), damage.choices);
    ASSERT_TRUE(chosen);
    ASSERT_EQ(chosen->obstacle(), nullptr) << chosen->obstacle()->text;
    EXPECT_TRUE(chosen->warnings.empty()) << chosen->warnings.front();
    const auto mended = mend(image.bytes(), *chosen);
    const auto loaded = load_image_from(mended, "x.vhd");
    ASSERT_TRUE(loaded) << loaded.error().message;
    EXPECT_TRUE(loaded->warnings.empty()) << loaded->warnings.front();
    for (uint32_t block : {0U, 5U, 6U, 40U}) {
      const bool lost = std::count(damage.lost.begin(), damage.lost.end(), block) != 0;
      const bool moved = damage.name == std::string("entries-share-block");
      if (moved && !lost) continue;
      EXPECT_EQ(loaded->bat[block] == kUnusedEntry, lost) << block;
    }
    const auto again = plan(mended, damage.choices);
    ASSERT_TRUE(again);
    EXPECT_TRUE(again->flaws.empty()) << again->flaws.front().name;
  }
}

TEST_F(Repair, OldBytesOfAChangeAreWhatTheFileHolds) {
  for (const Damage& damage : damages()) {
    ImageBytes image;
    damage.apply(image);
    const auto planned = plan(image.bytes(), damage.choices);
    ASSERT_TRUE(planned);
    for (const Change& change : planned->changes) {
      ASSERT_LE(change.before.size(), std::max(change.after.size(), change.before.size()));
      for (size_t i = 0; i < change.before.size(); ++i)
        ASSERT_EQ(change.before[i], image.bytes()[change.offset + i]) << damage.name;
    }
  }
}

TEST_F(Repair, TruncatedBlockKeepsWhatIsLeftOfIt) {
  ImageBytes image;
  const uint64_t data = uint64_t{image.entry(40)} * 512 + 512;
  image.bytes().resize(data + 1000);
  const auto planned = plan(image.bytes());
  ASSERT_TRUE(planned);
  const auto mended = mend(image.bytes(), *planned);
  EXPECT_EQ(mended[data + 999], std::byte{41});
  EXPECT_EQ(mended[data + 1000], std::byte{0});
}

TEST_F(Repair, NeverCutsWhatAWrongEntryMightMean) {
  // A block's worth behind the footer, and an entry that leads there: not garbage, maybe.
  ImageBytes image;
  image.set_entry(9, static_cast<uint32_t>(image.bytes().size() / 512));
  image.bytes().resize(image.bytes().size() + 3000, std::byte{7});
  const auto planned = plan(image.bytes());
  ASSERT_TRUE(planned);
  ASSERT_EQ(planned->obstacle(), nullptr);
  EXPECT_GE(planned->size_after, planned->size_before);
}

TEST_F(Repair, FixedDiskWithDataBehindItsFooterNeedsAWord) {
  std::vector<std::byte> bytes(8192 + 512, std::byte{1});
  const Footer footer = make_footer(kDiskTypeFixed, 8192, random_unique_id());
  write_wire(std::span(bytes), footer, 8192);
  bytes.resize(bytes.size() + 5000, std::byte{2});
  const auto planned = plan(bytes);
  ASSERT_TRUE(planned);
  ASSERT_NE(planned->obstacle(), nullptr);
  EXPECT_EQ(planned->obstacle()->name, "trailing-data");
  RepairChoices choices;
  choices.cut_tail = true;
  const auto chosen = plan(bytes, choices);
  ASSERT_TRUE(chosen);
  ASSERT_EQ(chosen->obstacle(), nullptr);
  EXPECT_EQ(mend(bytes, *chosen).size(), 8192u + 512);
}

TEST_F(Repair, PoisonedFixedDiskGetsANewFooter) {
  std::vector<std::byte> bytes(8192, std::byte{1});
  bytes.resize(8192 + 512, std::byte{0xc7});
  const auto planned = plan(bytes);
  ASSERT_TRUE(planned);
  ASSERT_EQ(planned->obstacle(), nullptr);
  const auto image = load_image_from(mend(bytes, *planned), "x.vhd");
  ASSERT_TRUE(image);
  EXPECT_EQ(image->size_bytes, 8192u);
}

// Every entry of a table wrong, in a file that is mostly hole: an answer, and not a list without
// end.
TEST_F(Repair, TableOfNothingButErrorsIsNoTable) {
  UniqueFd fd(::memfd_create("image", MFD_CLOEXEC));
  const auto file = view_file(fd.get(), "x.vhd");
  constexpr uint32_t kEntries = 1u << 20;
  const Footer footer = make_footer(kDiskTypeDynamic, kEntries * uint64_t{512}, UniqueId{1});
  SparseHeader header = ImageBytes().get<SparseHeader>(512);
  header.max_table_entries = kEntries;
  header.block_size = 512;
  seal(header);
  ASSERT_TRUE(write_exact(*file, 0, wire_bytes(footer), "test"));
  ASSERT_TRUE(write_exact(*file, 512, wire_bytes(header), "test"));
  ASSERT_TRUE(write_exact(*file, 8 << 20, wire_bytes(footer), "test"));
  const auto planned = plan_repair(*view_file(fd.get(), "x.vhd"), {});
  ASSERT_TRUE(planned);
  ASSERT_NE(planned->obstacle(), nullptr);
  EXPECT_LE(planned->flaws.size(), 70000u);
}

}  // namespace
}  // namespace viridian::vhd
