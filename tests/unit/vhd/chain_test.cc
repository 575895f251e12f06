#include "vhd/chain.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/unit/vhd/image_file.h"

namespace viridian::vhd {
namespace {

namespace fs = std::filesystem;

class Chain : public testing::Test {
 protected:
  std::string base() { return make_dynamic(folder_.file("base.vhd")); }
  // The header says that the parent is kept.vhd; the locators lead where they led.
  static void name_parent_kept(const std::string& child) {
    ImageFile(child).change_header([](SparseHeader& header) {
      header.parent_unicode_name = {};
      for (size_t i = 0; i < 8; ++i)
        header.parent_unicode_name[i] = static_cast<uint8_t>("kept.vhd"[i]);
    });
  }
  std::string expect_opens(const std::string& path, size_t depth, const OpenPolicy& policy = {}) {
    const auto chain = open_chain(path, Access::kReadOnly, policy);
    EXPECT_TRUE(chain) << chain.error().message;
    EXPECT_EQ(chain ? chain->size() : 0, depth);
    return chain ? chain->back().path : "";
  }
  Error expect_fails(const std::string& path, const OpenPolicy& policy = {}) {
    const auto chain = open_chain(path, Access::kReadOnly, policy);
    EXPECT_FALSE(chain);
    return chain ? Error{} : chain.error();
  }
  TempFolder folder_;
};

TEST_F(Chain, OfThreeIsOpenedFromItsLeaf) {
  const std::string child = make_child(folder_.file("child.vhd"), base());
  const std::string grandchild = make_child(folder_.file("grandchild.vhd"), child);
  EXPECT_EQ(expect_opens(grandchild, 3), folder_.file("base.vhd"));
}

// What Xen's tools stumble over: spaces, other letters, and a way that leads up.
TEST_F(Chain, ParentOfAnyNameAndInAnotherFolderIsFound) {
  fs::create_directory(folder_.file("Größe 10 %20"));
  fs::create_directory(folder_.file("child folder"));
  const std::string parent = make_dynamic(folder_.file("Größe 10 %20/база данных.vhd"));
  const std::string child = make_child(folder_.file("child folder/ребёнок 1.vhd"), parent);
  OpenPolicy policy;
  policy.allow_parent_outside = true;
  EXPECT_EQ(expect_opens(child, 2, policy), parent);
  fs::rename(parent, folder_.file("child folder/база данных.vhd"));
  expect_opens(child, 2);
}

TEST_F(Chain, MovesWithItsFolder) {
  fs::create_directory(folder_.file("a"));
  make_child(folder_.file("a/child.vhd"), make_dynamic(folder_.file("a/base.vhd")));
  fs::rename(folder_.file("a"), folder_.file("b"));
  expect_opens(folder_.file("b/child.vhd"), 2);
}

TEST_F(Chain, ParentOutsideTheFolderIsOpenedOnlyIfAllowed) {
  const std::string parent = base();
  fs::create_directory(folder_.file("sub"));
  const std::string child = make_child(folder_.file("sub/child.vhd"), parent);
  EXPECT_NE(expect_fails(child).message.find("outside"), std::string::npos);
  OpenPolicy policy;
  policy.allow_parent_outside = true;
  expect_opens(child, 2, policy);
  policy = {};
  policy.parent_override = parent;  // chosen by the caller, wherever it is
  expect_opens(child, 2, policy);
}

TEST_F(Chain, LinkOutOfTheFolderIsNotFollowed) {
  const std::string parent = base();
  fs::create_directory(folder_.file("sub"));
  const std::string child = folder_.file("sub/child.vhd");
  fs::copy(parent, folder_.file("sub/base.vhd"));
  make_child(child, folder_.file("sub/base.vhd"));
  fs::remove(folder_.file("sub/base.vhd"));
  fs::create_symlink(parent, folder_.file("sub/base.vhd"));
  expect_fails(child);
}

TEST_F(Chain, WrongFileUnderTheRightNameIsPassedOver) {
  const std::string parent = base();
  const std::string child = make_child(folder_.file("child.vhd"), parent);
  name_parent_kept(child);
  fs::rename(parent, folder_.file("kept.vhd"));
  make_dynamic(parent);  // W2ru leads here: another image
  EXPECT_EQ(expect_opens(child, 2), folder_.file("kept.vhd"));
  fs::remove(folder_.file("kept.vhd"));
  EXPECT_EQ(expect_fails(child).kind, ErrorKind::kMismatch);
  OpenPolicy policy;
  policy.ignore_parent_mismatch = true;
  expect_opens(child, 2, policy);
}

TEST_F(Chain, MissingParentIsNamed) {
  const std::string parent = base();
  const std::string child = make_child(folder_.file("child.vhd"), parent);
  fs::remove(parent);
  const Error error = expect_fails(child);
  EXPECT_EQ(error.kind, ErrorKind::kNotFound);
  EXPECT_NE(error.message.find("base.vhd"), std::string::npos);
  EXPECT_TRUE(open_image(child, Access::kReadWrite));  // the child itself needs no parent
}

TEST_F(Chain, LoopIsFound) {
  const std::string a = make_child(folder_.file("a.vhd"), base());
  const std::string b = make_child(folder_.file("b.vhd"), a);
  OpenPolicy policy;
  policy.ignore_parent_mismatch = true;
  fs::remove(folder_.file("base.vhd"));
  fs::create_hard_link(b, folder_.file("base.vhd"));
  EXPECT_NE(expect_fails(b, policy).message.find("loop"), std::string::npos);
  fs::remove(folder_.file("base.vhd"));
  fs::create_symlink("a.vhd", folder_.file("base.vhd"));
  EXPECT_NE(expect_fails(a, policy).message.find("loop"), std::string::npos);
}

TEST_F(Chain, ParentThatIsNoFileIsRefusedWithoutWaiting) {
  const std::string parent = base();
  const std::string child = make_child(folder_.file("child.vhd"), parent);
  fs::remove(parent);
  ASSERT_EQ(::mkfifo(parent.c_str(), 0600), 0);
  expect_fails(child);
  fs::remove(parent);
  fs::create_directory(parent);
  expect_fails(child);
  // A device is not even opened where it is not allowed, and a character device never.
  fs::remove(parent);
  fs::create_symlink("/dev/zero", parent);
  OpenPolicy policy;
  policy.allow_parent_outside = true;
  const auto chain = open_chain(child, Access::kReadOnly, policy);
  ASSERT_FALSE(chain);
  EXPECT_NE(chain.error().message.find("no regular file"), std::string::npos);
  EXPECT_FALSE(open_image("/dev/null", Access::kReadOnly));
}

size_t count_of(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1))
    ++count;
  return count;
}

TEST_F(Chain, ParentInUseIsWaitedForOnceHoweverManyPathsLeadToIt) {
  const std::string parent = base();
  const std::string child = make_child(folder_.file("child.vhd"), parent);
  auto writer = open_image(parent, Access::kReadWrite, {}, Locks::kTake);
  ASSERT_TRUE(writer);
  const auto chain = open_chain(child, Access::kReadOnly, {}, Locks::kTake);
  ASSERT_FALSE(chain);
  EXPECT_EQ(chain.error().kind, ErrorKind::kLocked);
  EXPECT_EQ(count_of(chain.error().message, "in use by another process"), 1u);
  EXPECT_GE(count_of(chain.error().message, "the same file"), 1u);
  writer->lock = {};
  EXPECT_TRUE(open_chain(child, Access::kReadOnly, {}, Locks::kTake));
}

// Of two files that are in use each is named as such.
TEST_F(Chain, OtherFileInUseIsNotTakenForTheFirst) {
  const std::string parent = base();
  const std::string child = make_child(folder_.file("child.vhd"), parent);
  name_parent_kept(child);
  make_dynamic(folder_.file("kept.vhd"));
  const auto first = open_image(parent, Access::kReadWrite, {}, Locks::kTake);
  const auto second = open_image(folder_.file("kept.vhd"), Access::kReadWrite, {}, Locks::kTake);
  const auto chain = open_chain(child, Access::kReadOnly, {}, Locks::kTake);
  ASSERT_FALSE(chain);
  EXPECT_EQ(count_of(chain.error().message, "in use by another process"), 2u);
}

TEST_F(Chain, DeeperThanTheLimitIsRefused) {
  std::string path = base();
  // Far fewer than by create_differencing(), which opens the whole chain each time.
  const std::string model = make_child(folder_.file("model.vhd"), path);
  for (unsigned i = 0; i <= kMaxChainDepth; ++i) {
    const std::string next = folder_.file(std::to_string(i) + ".vhd");
    fs::copy(model, next);
    const UniqueId parent_id = ImageFile(path).get<Footer>(0).unique_id;
    ImageFile file(next);
    const UniqueId id = random_unique_id();
    file.change_footer([&](Footer& footer) { footer.unique_id = id; });
    file.change_header([&](SparseHeader& header) {
      const std::string name = fs::path(path).filename();
      header.parent_unique_id = parent_id;
      header.parent_locators = {};
      header.parent_unicode_name = {};
      for (size_t c = 0; c < name.size(); ++c)
        header.parent_unicode_name[c] = static_cast<uint8_t>(name[c]);
    });
    path = next;
  }
  EXPECT_NE(expect_fails(path).message.find("255"), std::string::npos);
  expect_opens(folder_.file("254.vhd"), 256);
}

// Xen's mark of a raw parent.
TEST_F(Chain, NullParentIdMeansARawParent) {
  ImageFile(base()).resize(0);
  fs::rename(folder_.file("base.vhd"), folder_.file("base.img"));
  fs::resize_file(folder_.file("base.img"), 1 << 20);
  const std::string child = make_child(folder_.file("child.vhd"), folder_.file("base.img"));
  const auto chain = open_chain(child, Access::kReadWrite);
  ASSERT_TRUE(chain) << chain.error().message;
  EXPECT_EQ(chain->back().image.type, ImageType::kRaw);
  EXPECT_EQ(chain->front().image.size_bytes, 1u << 20);
}

TEST_F(Chain, WrittenParentAndOtherSizesAreWarnings) {
  const std::string parent = base();
  const std::string child = make_child(folder_.file("child.vhd"), parent);
  ImageFile(child).change_header([](SparseHeader& header) { header.parent_time_stamp = 12345; });
  ImageFile(child).change_footer([](Footer& footer) { footer.current_size = kTestSize - 512; });
  const auto chain = open_chain(child, Access::kReadOnly);
  ASSERT_TRUE(chain) << chain.error().message;
  EXPECT_EQ(chain->front().image.warnings.size(), 2u);
}

}  // namespace
}  // namespace viridian::vhd
