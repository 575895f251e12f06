#include <cerrno>
#include <cstring>
#include <fstream>
#include <string>

#include "tests/support/temp_folder.h"
#include "tests/unit/vhd/capi/capi_disk.h"

namespace viridian::vhd {
namespace {

constexpr uint64_t kMiB = 1 << 20;

TEST(CapiSync, EachKindKeepsWhatIsWrittenAndTellsWhatItIs) {
  TempFolder folder;
  for (const uint32_t kind : {VIRIDIAN_VHD_FIXED, VIRIDIAN_VHD_DYNAMIC}) {
    const std::string path = folder.file(std::to_string(kind) + ".vhd");
    ASSERT_EQ(make_image(path, kind, 10 * kMiB), 0);
    {
      CapiDisk disk(path);
      const viridian_vhd_info info = disk.info();
      EXPECT_EQ(info.kind, kind);
      EXPECT_EQ(info.size_bytes, 10 * kMiB);
      EXPECT_EQ(info.layers, 1u);
      EXPECT_EQ(info.block_size, kind == VIRIDIAN_VHD_DYNAMIC ? 2 * kMiB : 0);
      EXPECT_EQ(info.read_only, 0);
      EXPECT_EQ(disk.fill_of(0, kMiB), 0);
      EXPECT_EQ(disk.write(3 * kMiB - 512, 1024, 7), 0);
      EXPECT_EQ(viridian_vhd_flush(disk, nullptr), 0);
    }
    CapiDisk disk(path, open_options(VIRIDIAN_VHD_READ_ONLY | VIRIDIAN_VHD_PAGE_CACHE));
    EXPECT_EQ(disk.info().read_only, 1);
    EXPECT_EQ(disk.fill_of(3 * kMiB - 512, 1024), 7);
    EXPECT_EQ(disk.fill_of(3 * kMiB + 512, 1024), 0);
    EXPECT_EQ(disk.write(0, 512, 1), -EROFS);
  }
}

TEST(CapiSync, RawFileIsADiskToo) {
  TempFolder folder;
  const std::string path = folder.file("disk.img");
  std::ofstream(path) << std::string(4096, 'r');
  CapiDisk disk(path);
  EXPECT_EQ(disk.info().kind, uint32_t{VIRIDIAN_VHD_RAW});
  EXPECT_EQ(disk.fill_of(0, 4096), 'r');
}

TEST(CapiSync, MemoryIsScatteredAsTheIovecsSayAtAnyAddress) {
  TempFolder folder;
  const std::string path = folder.file("disk.vhd");
  ASSERT_EQ(make_image(path, VIRIDIAN_VHD_DYNAMIC, 10 * kMiB), 0);
  CapiDisk disk(path);
  std::string text(2048, '\0');
  for (size_t i = 0; i < text.size(); ++i)
    text[i] = static_cast<char>(i * 7);
  const iovec out[] = {{text.data(), 1}, {text.data() + 1, 1600}, {text.data() + 1601, 447}};
  ASSERT_EQ(viridian_vhd_writev(disk, out, 3, 512, VIRIDIAN_VHD_FUA, nullptr), 0);
  std::string back(2048 + 1, '\0');
  const iovec in[] = {{back.data() + 1, 1000}, {nullptr, 0}, {back.data() + 1001, 1048}};
  ASSERT_EQ(viridian_vhd_readv(disk, in, 3, 512, nullptr), 0);
  EXPECT_EQ(back.substr(1), text);
}

TEST(CapiSync, DiscardedAndZeroedBytesReadAsZeroes) {
  TempFolder folder;
  const std::string path = folder.file("disk.vhd");
  ASSERT_EQ(make_image(path, VIRIDIAN_VHD_DYNAMIC, 10 * kMiB), 0);
  CapiDisk disk(path);
  EXPECT_EQ(disk.info().discard_granularity, 2 * kMiB);
  ASSERT_EQ(disk.write(0, 6 * kMiB, 5), 0);
  EXPECT_EQ(viridian_vhd_discard(disk, 2 * kMiB, 2 * kMiB, nullptr), 0);
  EXPECT_EQ(viridian_vhd_write_zeroes(disk, 512, 1024, nullptr), 0);
  EXPECT_EQ(disk.fill_of(0, 512), 5);
  EXPECT_EQ(disk.fill_of(512, 1024), 0);
  EXPECT_EQ(disk.fill_of(1536, 2 * kMiB - 1536), 5);
  EXPECT_EQ(disk.fill_of(2 * kMiB, 2 * kMiB), 0);
  EXPECT_EQ(disk.fill_of(4 * kMiB, 2 * kMiB), 5);
}

TEST(CapiSync, ChildReadsAsItsParentUntilItIsWritten) {
  TempFolder folder;
  const std::string base = folder.file("base.vhd");
  const std::string child = folder.file("child.vhd");
  ASSERT_EQ(make_image(base, VIRIDIAN_VHD_FIXED, 4 * kMiB), 0);
  ASSERT_EQ(CapiDisk(base).write(0, 4096, 1), 0);
  ASSERT_EQ(make_image(child, VIRIDIAN_VHD_DIFFERENCING, 0, base.c_str()), 0);
  {
    CapiDisk disk(child);
    EXPECT_EQ(disk.info().kind, uint32_t{VIRIDIAN_VHD_DIFFERENCING});
    EXPECT_EQ(disk.info().layers, 2u);
    EXPECT_EQ(disk.write(512, 512, 2), 0);
    EXPECT_EQ(disk.fill_of(0, 512), 1);
    EXPECT_EQ(disk.fill_of(512, 512), 2);
  }
  EXPECT_EQ(CapiDisk(base, open_options(VIRIDIAN_VHD_READ_ONLY)).fill_of(0, 4096), 1);
}

TEST(CapiSync, ImageInUseIsRefusedUnlessTheCallerAnswersForIt) {
  TempFolder folder;
  const std::string path = folder.file("disk.vhd");
  ASSERT_EQ(make_image(path, VIRIDIAN_VHD_DYNAMIC, kMiB), 0);
  CapiDisk disk(path);
  viridian_vhd* second = nullptr;
  viridian_vhd_error error;
  EXPECT_EQ(viridian_vhd_open(path.c_str(), nullptr, &second, &error), -EBUSY);
  EXPECT_EQ(second, nullptr);
  EXPECT_EQ(error.code, EBUSY);
  EXPECT_NE(std::string(error.message).find(path), std::string::npos);
  CapiDisk allowed(path, open_options(VIRIDIAN_VHD_NO_LOCK | VIRIDIAN_VHD_READ_ONLY));

  viridian_vhd_create_options options = {};
  options.struct_size = sizeof(options);
  options.kind = VIRIDIAN_VHD_FIXED;
  options.size_bytes = kMiB;
  EXPECT_EQ(viridian_vhd_create(path.c_str(), &options, &error), -EINVAL) << error.message;
  options.flags = VIRIDIAN_VHD_REPLACE;
  EXPECT_EQ(viridian_vhd_create(path.c_str(), &options, &error), -EBUSY) << error.message;
  EXPECT_EQ(make_image(folder.file("child.vhd"), VIRIDIAN_VHD_DIFFERENCING, 0, path.c_str()),
            -EBUSY);
}

TEST(CapiSync, FileErrorsKeepTheirNumberAndDamageHasOne) {
  TempFolder folder;
  viridian_vhd* disk = nullptr;
  const std::string gone = folder.file("gone.vhd");
  EXPECT_EQ(viridian_vhd_open(gone.c_str(), nullptr, &disk, nullptr), -ENOENT);
  const std::string torn = folder.file("torn.vhd");
  std::ofstream(torn) << std::string(4096, 't');
  EXPECT_EQ(viridian_vhd_open(torn.c_str(), nullptr, &disk, nullptr), -EUCLEAN);
  EXPECT_EQ(make_image(folder.file("no/such/folder.vhd"), VIRIDIAN_VHD_FIXED, kMiB), -ENOENT);
}

TEST(CapiSnapshot, OpenDiskGoesOnInTheChildAndTheImageStays) {
  TempFolder folder;
  const std::string base = folder.file("base.vhd");
  const std::string child = folder.file("child.vhd");
  ASSERT_EQ(make_image(base, VIRIDIAN_VHD_DYNAMIC, 10 * kMiB), 0);
  {
    CapiDisk disk(base);
    ASSERT_EQ(disk.write(0, 4096, 1), 0);
    viridian_vhd_error error;
    ASSERT_EQ(viridian_vhd_snapshot(disk, child.c_str(), &error), 0) << error.message;
    EXPECT_EQ(disk.info().kind, uint32_t{VIRIDIAN_VHD_DIFFERENCING});
    EXPECT_EQ(disk.info().layers, 2u);
    ASSERT_EQ(disk.write(0, 512, 2), 0);
    EXPECT_EQ(disk.fill_of(0, 512), 2);
    EXPECT_EQ(disk.fill_of(512, 3584), 1);
    // The image has readers, and takes no writer.
    viridian_vhd* writer = nullptr;
    EXPECT_EQ(viridian_vhd_open(base.c_str(), nullptr, &writer, nullptr), -EBUSY);
    EXPECT_EQ(CapiDisk(base, open_options(VIRIDIAN_VHD_READ_ONLY)).fill_of(0, 4096), 1);
    const std::string second = folder.file("second.vhd");
    ASSERT_EQ(viridian_vhd_snapshot(disk, second.c_str(), &error), 0) << error.message;
    EXPECT_EQ(disk.info().layers, 3u);
    EXPECT_EQ(disk.fill_of(0, 512), 2);
  }
  // The child is a parent by now, and so not for writing.
  viridian_vhd* writer = nullptr;
  EXPECT_LT(viridian_vhd_open(child.c_str(), nullptr, &writer, nullptr), 0);
  CapiDisk again(child, open_options(VIRIDIAN_VHD_READ_ONLY));
  EXPECT_EQ(again.fill_of(0, 512), 2);
  EXPECT_EQ(again.fill_of(512, 3584), 1);
}

TEST(CapiSnapshot, FailureLeavesTheDiskOnItsImage) {
  TempFolder folder;
  const std::string base = folder.file("base.vhd");
  ASSERT_EQ(make_image(base, VIRIDIAN_VHD_DYNAMIC, 10 * kMiB), 0);
  std::ofstream(folder.file("taken.vhd")) << "something else";
  CapiDisk disk(base);
  ASSERT_EQ(disk.write(0, 4096, 1), 0);
  EXPECT_EQ(viridian_vhd_snapshot(disk, folder.file("taken.vhd").c_str(), nullptr), -EINVAL);
  EXPECT_EQ(viridian_vhd_snapshot(disk, folder.file("no/folder.vhd").c_str(), nullptr), -ENOENT);
  EXPECT_EQ(disk.info().kind, uint32_t{VIRIDIAN_VHD_DYNAMIC});
  EXPECT_EQ(disk.write(512, 512, 3), 0);
  EXPECT_EQ(disk.fill_of(512, 512), 3);
  EXPECT_EQ(disk.fill_of(0, 512), 1);
  viridian_vhd* second = nullptr;
  EXPECT_EQ(viridian_vhd_open(base.c_str(), nullptr, &second, nullptr), -EBUSY);
}

TEST(CapiSnapshot, ChildThatCouldNotBeOpenedIsRemoved) {
  TempFolder folder;
  const std::string base = folder.file("base.vhd");
  ASSERT_EQ(make_image(base, VIRIDIAN_VHD_DYNAMIC, 10 * kMiB), 0);
  const std::string elsewhere = folder.file("elsewhere");
  std::filesystem::create_directory(elsewhere);
  const std::string child = elsewhere + "/child.vhd";
  viridian_vhd_error error;
  {
    CapiDisk disk(base);
    // Its parent would lie outside its folder.
    EXPECT_LT(viridian_vhd_snapshot(disk, child.c_str(), &error), 0);
    EXPECT_FALSE(std::filesystem::exists(child));
    EXPECT_EQ(disk.write(0, 512, 1), 0);
  }
  CapiDisk disk(base, open_options(VIRIDIAN_VHD_ALLOW_PARENT_OUTSIDE));
  EXPECT_EQ(viridian_vhd_snapshot(disk, child.c_str(), &error), 0) << error.message;
  EXPECT_EQ(disk.fill_of(0, 512), 1);
}

TEST(CapiSnapshot, ImageThatWasMovedAwayIsNotConfusedWithItsSuccessor) {
  TempFolder folder;
  const std::string base = folder.file("base.vhd");
  ASSERT_EQ(make_image(base, VIRIDIAN_VHD_DYNAMIC, 10 * kMiB), 0);
  CapiDisk disk(base);
  std::filesystem::rename(base, folder.file("moved.vhd"));
  EXPECT_EQ(viridian_vhd_snapshot(disk, folder.file("child.vhd").c_str(), nullptr), -ENOENT);
  ASSERT_EQ(make_image(base, VIRIDIAN_VHD_DYNAMIC, 10 * kMiB), 0);
  EXPECT_EQ(viridian_vhd_snapshot(disk, folder.file("child.vhd").c_str(), nullptr), -ESTALE);
  EXPECT_EQ(disk.write(0, 512, 1), 0);
}

TEST(CapiSnapshot, ReadOnlyDiskHasNone) {
  TempFolder folder;
  const std::string base = folder.file("base.vhd");
  ASSERT_EQ(make_image(base, VIRIDIAN_VHD_DYNAMIC, kMiB), 0);
  CapiDisk disk(base, open_options(VIRIDIAN_VHD_READ_ONLY));
  EXPECT_EQ(viridian_vhd_snapshot(disk, folder.file("child.vhd").c_str(), nullptr), -EROFS);
}

}  // namespace
}  // namespace viridian::vhd
