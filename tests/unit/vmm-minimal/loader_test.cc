#include "vmm-minimal/loader.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/unit/vmm-minimal/fakes.h"
#include "tests/unit/vmm-minimal/made_up_bzimage.h"
#include "vmm-minimal/memory_map.h"

namespace viridian::vmm {
namespace {

using linux_boot::BootParams;

class Loader : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::path(testing::TempDir()) /
              testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::create_directories(folder_);
    write("vmlinuz", MadeUpBzImage().bytes());
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string path(const char* name) const { return folder_ / name; }
  void write(const char* name, const std::vector<std::byte>& bytes) {
    std::ofstream file(path(name), std::ios::binary);
    for (std::byte byte : bytes)
      file.put(static_cast<char>(byte));
  }
  Result<EntryPoint> load(const std::string& initrd = "", const std::string& line = "") {
    return load_linux(memory_.memory(), {.kernel_path = path("vmlinuz"),
                                         .initrd_path = initrd,
                                         .command_line = line,
                                         .acpi_rsdp = 0xE0000});
  }

  std::filesystem::path folder_;
  TestMemory memory_{4 << 20};
};

TEST_F(Loader, KernelStartsAtItsEntryWithBootParamsInRsi) {
  const auto entry = load();
  ASSERT_TRUE(entry) << entry.error().message;
  EXPECT_EQ(entry->mode, CpuMode::kLong);
  EXPECT_EQ(entry->rip, 0x10'0200u);
  EXPECT_EQ(entry->rsi, kBootParams);
  EXPECT_EQ(*memory_.at(0x10'0000), std::byte{0xAB});
  EXPECT_EQ(*memory_.at(0x10'0000 + MadeUpBzImage::kKernelBytes - 1), std::byte{0xAB});
}

TEST_F(Loader, BootParamsCarryHeaderMemoryMapAndCommandLine) {
  ASSERT_TRUE(load("", "console=ttyS0"));
  const auto params = memory_.memory().read<BootParams>(Gpa{kBootParams});
  EXPECT_EQ(params->header.header.get(), linux_boot::kHeaderMagic);
  EXPECT_EQ(params->header.type_of_loader, 0xFF);
  EXPECT_EQ(params->acpi_rsdp_addr.get(), 0xE0000u);
  ASSERT_EQ(params->e820_entries, 4);
  EXPECT_EQ(params->e820_table[2].address.get(), kOneMiB);
  EXPECT_EQ(params->e820_table[2].size.get(), (4u << 20) - kOneMiB);
  EXPECT_EQ(params->e820_table[2].type.get(), linux_boot::kE820Ram);
  std::string line;
  for (uint64_t at = params->header.cmd_line_ptr; *memory_.at(at) != std::byte{0}; ++at)
    line += static_cast<char>(*memory_.at(at));
  EXPECT_EQ(line, "console=ttyS0");
}

TEST_F(Loader, InitrdEndsAtTheTopOfMemoryOnAPage) {
  write("initrd", std::vector<std::byte>(5000, std::byte{7}));
  ASSERT_TRUE(load(path("initrd")));
  const auto params = memory_.memory().read<BootParams>(Gpa{kBootParams});
  EXPECT_EQ(params->header.ramdisk_image.get(), (4u << 20) - 8192);
  EXPECT_EQ(params->header.ramdisk_size.get(), 5000u);
  EXPECT_EQ(*memory_.at((4u << 20) - 8192 + 4999), std::byte{7});
}

TEST_F(Loader, InitrdStaysBelowTheKernelsLimit) {
  MadeUpBzImage image;
  image.header.initrd_addr_max = 0x1F'FFFF;
  write("vmlinuz", image.bytes());
  write("initrd", std::vector<std::byte>(4096, std::byte{7}));
  ASSERT_TRUE(load(path("initrd")));
  const auto params = memory_.memory().read<BootParams>(Gpa{kBootParams});
  EXPECT_EQ(params->header.ramdisk_image.get(), 0x1F'F000u);
}

TEST_F(Loader, InitrdThatWouldOverlapTheKernelIsRefused) {
  write("initrd", std::vector<std::byte>(3 << 20));
  const auto entry = load(path("initrd"));
  ASSERT_FALSE(entry);
  EXPECT_TRUE(entry.error().message.starts_with("initrd: ")) << entry.error().message;
}

TEST_F(Loader, KernelThatNeedsMoreMemoryThanThereIsIsRefused) {
  MadeUpBzImage image;
  image.header.init_size = 8 << 20;
  write("vmlinuz", image.bytes());
  const auto entry = load();
  ASSERT_FALSE(entry);
  EXPECT_NE(entry.error().message.find("more --memory"), std::string::npos);
}

TEST_F(Loader, CommandLineAtTheLimitFitsAndOneLongerIsRefused) {
  EXPECT_TRUE(load("", std::string(2047, 'x')));
  const auto entry = load("", std::string(2048, 'x'));
  ASSERT_FALSE(entry);
  EXPECT_TRUE(entry.error().message.starts_with("append: ")) << entry.error().message;
}

TEST_F(Loader, MissingFileAndFolderAreNamed) {
  const auto missing = load_linux(
      memory_.memory(), {.kernel_path = path("none"), .initrd_path = "", .command_line = ""});
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().kind, ErrorKind::kNotFound);
  EXPECT_NE(missing.error().message.find(path("none")), std::string::npos);
  EXPECT_FALSE(load(folder_));
}

TEST_F(Loader, PayloadStartsWhereItsModeSays) {
  write("payload", {std::byte{0xF4}});
  const auto real = load_payload(memory_.memory(), path("payload"), CpuMode::kReal);
  ASSERT_TRUE(real);
  EXPECT_EQ(real->rip, kPayloadReal);
  EXPECT_EQ(*memory_.at(kPayloadReal), std::byte{0xF4});
  const auto long_mode = load_payload(memory_.memory(), path("payload"), CpuMode::kLong);
  ASSERT_TRUE(long_mode);
  EXPECT_EQ(long_mode->rip, kPayloadLong);
}

TEST_F(Loader, EmptyOrTooLargePayloadIsRefused) {
  write("empty", {});
  EXPECT_FALSE(load_payload(memory_.memory(), path("empty"), CpuMode::kLong));
  write("large", std::vector<std::byte>(640 << 10));
  EXPECT_FALSE(load_payload(memory_.memory(), path("large"), CpuMode::kReal));
  EXPECT_TRUE(load_payload(memory_.memory(), path("large"), CpuMode::kLong));
}

TEST_F(Loader, LongModeMapsTheFirstFourGibibytesToThemselves) {
  kvm_sregs sregs{};
  const kvm_regs regs =
      prepare_cpu(memory_.memory(), {.mode = CpuMode::kLong, .rip = 5, .rsi = 6}, sregs);
  EXPECT_EQ(regs.rip, 5u);
  EXPECT_EQ(regs.rsi, 6u);
  EXPECT_EQ(regs.rflags, 2u);
  EXPECT_EQ(sregs.cs.l, 1);
  EXPECT_EQ(sregs.cr3, kPageTables);
  const auto last = memory_.memory().read<le64>(Gpa{kPageTables + 2 * 4096 + 8 * 2047});
  EXPECT_EQ(last->get() & ~uint64_t{0xFFF}, 2047u * (2u << 20));
}

}  // namespace
}  // namespace viridian::vmm
