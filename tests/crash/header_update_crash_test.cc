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
constexpr unsigned kRounds = 40;

class HeaderUpdateCrash : public testing::Test {
 protected:
  HeaderUpdateCrash() : chain_(*reactor_) {
    chain_.push(kSize, 4096);
    auto disk = chain_.open();
    EXPECT_TRUE(disk);
    (*disk).reset();
    before_ = chain_.leaf_bytes();
    file_ = std::make_unique<io::MemoryFile>(*reactor_, "x.vhd", before_);
    file_->record(true);
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
    const CrashStates states(before_, *file_);
    std::minstd_rand random(1);
    size_t renewed = 0;
    for (size_t position = 0; position < states.positions(); ++position) {
      for (unsigned i = 0; i < kRounds * std::size(kCutKinds); ++i) {
        const auto kind = kCutKinds[i % std::size(kCutKinds)];
        const auto image = load(states.at(position, kind, random));
        if (!image) {
          ADD_FAILURE() << "position " << position << ": " << image.error().message;
          return 0;
        }
        const bool is_new = image->header.parent_time_stamp == update_.header.parent_time_stamp;
        renewed += is_new;
        EXPECT_EQ(image->header.parent_locators[7].reserved.get(), is_new ? 0x99u : 0u);
        const Footer& footer = is_new ? update_.footer : old_.footer;
        EXPECT_EQ(image->footer.current_size, footer.current_size);
        EXPECT_FALSE(image->read_only);
        EXPECT_EQ(image->bat, old_.bat);
        if (position + 1 == states.positions()) {
          EXPECT_TRUE(is_new) << "after the end";
        }
        if (testing::Test::HasFailure()) return 0;
      }
    }
    return renewed;
  }

  std::unique_ptr<io::Reactor> reactor_ = std::move(*io::Reactor::create());
  MemoryChain chain_;
  std::vector<std::byte> before_;
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
  const CrashStates states(before_, *file_);
  std::minstd_rand random(1);
  for (size_t position = 0; position < states.positions(); ++position) {
    const std::vector<std::byte> cut = states.at(position, CutKind::kAll, random);
    const auto image = load(cut);
    ASSERT_TRUE(image) << image.error().message;
    io::MemoryFile file(*reactor_, "x.vhd", cut);
    HeaderUpdate again = {image->header, image->footer, image->footer_offset};
    again.header.parent_time_stamp = 7;
    ASSERT_TRUE(update_header(file, again));
    const auto result = load(file.bytes());
    ASSERT_TRUE(result) << result.error().message;
    EXPECT_EQ(result->header.parent_time_stamp.get(), 7u);
    EXPECT_EQ(result->bat, old_.bat);
    EXPECT_TRUE(result->warnings.empty()) << result->warnings.front();
  }
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
