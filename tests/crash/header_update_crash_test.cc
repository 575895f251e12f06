// A change of the header, cut at every moment: the image opens with the old header or the new one,
// for writing, and its blocks stay where they are.
#include <gtest/gtest.h>

#include "tests/crash/crash_states.h"
#include "tests/support/memory_chain.h"
#include "vhd/footer.h"
#include "vhd/header_update.h"

namespace viridian::vhd {
namespace {

constexpr uint64_t kSize = 1 << 20;
constexpr unsigned kExtraStates = 150;  // random ones at each position

class HeaderUpdateCrash : public testing::Test {
 protected:
  HeaderUpdateCrash() : chain_(*reactor_) {
    chain_.push(kSize, 4096);
    auto disk = chain_.open();
    EXPECT_TRUE(disk);
    (*disk).reset();
    before_ = chain_.leaf_bytes();
    file_ = std::make_unique<io::MemoryFile>(*reactor_, "x.vhd", before_);
    file_->record(&log_);
    old_ = *load(before_);
    update_ = {old_.header, old_.footer, old_.footer_offset};
    update_.header.parent_time_stamp = 0x12345678;      // the first sector
    update_.header.parent_locators[7].reserved = 0x99;  // the second one
  }
  static Result<Image> load(const std::vector<std::byte>& bytes) {
    return load_image_from(bytes, "x.vhd");
  }
  // Loads what every cut leaves, and returns how many states had the new header.
  size_t cut_everywhere() {
    CrashStates states(log_, {{"x.vhd", before_}});
    std::minstd_rand random(1);
    const size_t end = log_.events().size();
    size_t renewed = 0;
    states.visit({end}, kExtraStates, random, [&](size_t position) {
      const auto image = load_image(states.image(0).fd(), "x.vhd");
      if (!image) {
        ADD_FAILURE() << "position " << position << ": " << image.error().message;
        return false;
      }
      const bool is_new = image->header.parent_time_stamp == update_.header.parent_time_stamp;
      renewed += is_new;
      EXPECT_EQ(image->header.parent_locators[7].reserved.get(), is_new ? 0x99u : 0u);
      const Footer& footer = is_new ? update_.footer : old_.footer;
      EXPECT_EQ(image->footer.current_size, footer.current_size);
      EXPECT_FALSE(image->read_only);
      EXPECT_EQ(image->bat, old_.bat);
      EXPECT_TRUE(is_new || position < end) << "after the end";
      return !testing::Test::HasFailure();
    });
    return renewed;
  }

  std::unique_ptr<io::Reactor> reactor_ = std::move(*io::Reactor::create());
  MemoryChain chain_;
  std::vector<std::byte> before_;
  io::ChangeLog log_;
  std::unique_ptr<io::MemoryFile> file_;
  Image old_;
  HeaderUpdate update_;
};

TEST_F(HeaderUpdateCrash, LeavesTheOldHeaderOrTheNewOne) {
  ASSERT_TRUE(update_header(*file_, update_));
  EXPECT_GT(cut_everywhere(), 100u);
  const auto image = load(file_->bytes());
  ASSERT_TRUE(image);
  EXPECT_TRUE(image->warnings.empty()) << image->warnings.front();
  EXPECT_EQ(file_->bytes().size(), before_.size());
}

TEST_F(HeaderUpdateCrash, MovesTheLastFooterToo) {
  update_.footer_offset += 4096;
  ASSERT_TRUE(update_header(*file_, update_));
  EXPECT_GT(cut_everywhere(), 100u);
  const auto image = load(file_->bytes());
  ASSERT_TRUE(image);
  EXPECT_TRUE(image->warnings.empty()) << image->warnings.front();
  EXPECT_EQ(image->footer_offset, old_.footer_offset + 4096);
}

TEST_F(HeaderUpdateCrash, ChangesTheSizeWithTheHeader) {
  update_.footer.current_size = kSize - 512;  // the table stays as it is
  ASSERT_TRUE(update_header(*file_, update_));
  EXPECT_GT(cut_everywhere(), 100u);
}

TEST_F(HeaderUpdateCrash, ThatWasCutShortIsFollowedByAnother) {
  ASSERT_TRUE(update_header(*file_, update_));
  CrashStates states(log_, {{"x.vhd", before_}});
  std::minstd_rand random(1);
  states.visit({}, 8, random, [&](size_t) {
    const auto bytes = states.image(0).bytes();
    const std::vector<std::byte> cut(bytes.begin(), bytes.end());
    const auto image = load(cut);
    EXPECT_TRUE(image);
    if (!image) return false;
    io::MemoryFile file(*reactor_, "x.vhd", cut);
    HeaderUpdate again = {image->header, image->footer, image->footer_offset};
    again.header.parent_time_stamp = 7;
    EXPECT_TRUE(update_header(file, again));
    const auto result = load(file.bytes());
    EXPECT_TRUE(result);
    if (!result) return false;
    EXPECT_EQ(result->header.parent_time_stamp.get(), 7u);
    EXPECT_EQ(result->bat, old_.bat);
    EXPECT_TRUE(result->warnings.empty()) << result->warnings.front();
    return !HasFailure();
  });
}

TEST_F(HeaderUpdateCrash, NeedsAGoodFooterAtTheStart) {
  std::vector<std::byte> bytes = before_;
  bytes[100] ^= std::byte{1};
  io::MemoryFile file(*reactor_, "x.vhd", bytes);
  EXPECT_FALSE(update_header(file, update_));
  EXPECT_EQ(file.bytes(), bytes);
}

// The same two footers without a header between them are two opinions, and nobody may write.
TEST_F(HeaderUpdateCrash, IsNotTakenForItWithoutTheHeaderBeforeTheFooter) {
  std::vector<std::byte> bytes = before_;
  Footer other = old_.footer;
  other.data_offset = 1024;
  seal(other);
  write_wire(bytes, other, bytes.size() - sizeof(Footer));
  write_wire(bytes, old_.header, 1024);
  const auto image = load(bytes);
  EXPECT_TRUE(!image || image->read_only);
}

}  // namespace
}  // namespace viridian::vhd
