// Another parent recorded in an image, cut at every moment: the image names the old parent or the
// new one, with all that belongs to it, and its blocks stay.
#include <gtest/gtest.h>

#include "tests/crash/crash_states.h"
#include "tests/support/memory_chain.h"
#include "vhd/reparent.h"

namespace viridian::vhd {
namespace {

constexpr unsigned kExtraStates = 60;

std::vector<std::string> names_of(const Image& image) {
  std::vector<std::string> names = {image.parent_name};
  for (const Locator& one : image.locators)
    names.push_back(one.path);
  return names;
}

// In the second round the footer's last copy is lost already, and the paths go over its place.
TEST(ReparentCrash, LeavesTheOldParentOrTheNewOne) {
  auto reactor = std::move(*io::Reactor::create());
  for (const bool damaged : {false, true}) {
    MemoryChain chain(*reactor);
    chain.push(1 << 20, 4096);
    chain.push(1 << 20, 4096);
    auto disk = chain.open();
    ASSERT_TRUE(disk);
    (*disk).reset();
    std::vector<std::byte> before = chain.leaf_bytes();
    if (damaged) before.resize(before.size() - 512);
    const auto old = load_image_from(before, "x.vhd");
    ASSERT_TRUE(old) << old.error().message;
    ParentRecord parent = {"/srv/neu größer/b.vhd", "../neu größer/b.vhd", "b.vhd"};
    parent.unique_id = {1, 2, 3};
    parent.time_stamp = 99;

    io::MemoryFile file(*reactor, "x.vhd", before);
    io::ChangeLog log;
    file.record(&log);
    const auto done = write_parent(file, *old, parent);
    ASSERT_TRUE(done) << done.error().message;
    const auto renewed = load_image_from(file.bytes(), "x.vhd");
    ASSERT_TRUE(renewed) << renewed.error().message;
    EXPECT_TRUE(renewed->warnings.empty());
    EXPECT_EQ(names_of(*renewed)[0], "b.vhd");
    EXPECT_EQ(names_of(*renewed)[2], ".\\..\\neu größer\\b.vhd");

    CrashStates states(log, {{"x.vhd", before}});
    EXPECT_EQ(states.conflict(), "");
    std::minstd_rand random(1);
    size_t new_ones = 0;
    const size_t shown = states.visit({}, kExtraStates, random, [&](size_t position) {
      const auto image = load_image(states.image(0).fd(), "x.vhd");
      EXPECT_TRUE(image) << position << ": " << image.error().message;
      if (!image) return false;
      const bool is_new = image->parent_time_stamp == 99;
      const Image& expected = is_new ? *renewed : *old;
      EXPECT_EQ(names_of(*image), names_of(expected)) << position;
      EXPECT_EQ(image->parent_unique_id, expected.parent_unique_id);
      EXPECT_EQ(image->bat, old->bat);
      EXPECT_FALSE(image->read_only);
      new_ones += is_new;
      return !testing::Test::HasFailure();
    });
    EXPECT_GT(new_ones, 10u);
    EXPECT_GT(shown, new_ones + 10);
  }
}

}  // namespace
}  // namespace viridian::vhd
