// Each repair, cut at every moment: what is left is mended by another repair, to the same blocks.
#include <gtest/gtest.h>
#include <sys/mman.h>

#include "tests/crash/crash_states.h"
#include "tests/support/damaged_image.h"
#include "tests/support/memory_chain.h"
#include "vhd/repair.h"

namespace viridian::vhd {
namespace {

constexpr unsigned kExtraStates = 12;  // at each position, besides the systematic ones

Result<RepairPlan> plan_for(const std::vector<std::byte>& bytes, const RepairChoices& choices) {
  const UniqueFd fd(::memfd_create("image", MFD_CLOEXEC));
  const auto empty = view_file(fd.get(), "x.vhd");
  VIRIDIAN_TRY(write_exact(*empty, 0, bytes, "test"));
  const auto file = view_file(fd.get(), "x.vhd");
  return plan_repair(*file, {}, choices);
}

// The data of each block that is in the file.
std::vector<std::byte> blocks_of(const Image& image, const std::vector<std::byte>& bytes) {
  std::vector<std::byte> all;
  for (uint32_t sector : image.bat) {
    all.push_back(std::byte{sector != kUnusedEntry});
    if (sector == kUnusedEntry) continue;
    const auto begin = bytes.begin() + sector * ptrdiff_t{512};
    all.insert(all.end(), begin, begin + image.bitmap_bytes + image.block_size);
  }
  return all;
}

// What is left after a cut can be mended, to what the repair would have made of it.
void check_cut(const std::vector<std::byte>& cut, const Damage& damage, io::Reactor& reactor,
               const Image& mended, const std::vector<std::byte>& wanted) {
  const auto again = plan_for(cut, damage.choices);
  ASSERT_TRUE(again) << again.error().message;
  ASSERT_EQ(again->obstacle(), nullptr) << again->obstacle()->text;
  io::MemoryFile rest(reactor, "x.vhd", cut);
  ASSERT_TRUE(apply_repair(rest, *again));
  const auto result = load_image_from(rest.bytes(), "x.vhd");
  ASSERT_TRUE(result) << result.error().message;
  ASSERT_TRUE(result->warnings.empty()) << result->warnings.front();
  ASSERT_EQ(result->footer, mended.footer);
  ASSERT_TRUE(blocks_of(*result, rest.bytes()) == wanted);
}

TEST(RepairCrash, IsCompletedByAnotherRepair) {
  auto reactor = std::move(*io::Reactor::create());
  std::minstd_rand random(1);
  size_t states = 0;
  for (const Damage& damage : damages()) {
    SCOPED_TRACE(damage.name);
    ImageBytes image;
    damage.apply(image);
    const auto plan = plan_for(image.bytes(), damage.choices);
    ASSERT_TRUE(plan);
    if (plan->obstacle() != nullptr) continue;
    io::MemoryFile file(*reactor, "x.vhd", image.bytes());
    io::ChangeLog log;
    file.record(&log);
    ASSERT_TRUE(apply_repair(file, *plan));
    const auto mended = load_image_from(file.bytes(), "x.vhd");
    ASSERT_TRUE(mended) << mended.error().message;
    const auto wanted = blocks_of(*mended, file.bytes());
    CrashStates cuts(log, {{"x.vhd", image.bytes()}});
    EXPECT_EQ(cuts.conflict(), "");
    states += cuts.visit({}, kExtraStates, random, [&](size_t position) {
      const auto shown = cuts.image(0).bytes();
      check_cut({shown.begin(), shown.end()}, damage, *reactor, *mended, wanted);
      return !testing::Test::HasFatalFailure() || (ADD_FAILURE() << position, false);
    });
  }
  EXPECT_GT(states, 150u);
  std::printf("%zu states after a cut\n", states);
}

}  // namespace
}  // namespace viridian::vhd
