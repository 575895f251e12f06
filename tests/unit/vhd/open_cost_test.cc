// What opening an image may cost, whatever is in it: memory at its peak, counted, is at most 64 MiB
// and twice the file. The time of each is printed, and none is judged: docs/vhd.md has the figures.
#include <gtest/gtest.h>
#include <malloc.h>
#include <sys/mman.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <new>

#include "tests/unit/vhd/image_file.h"
#include "vhd/chain.h"
#include "vhd/limits.h"

namespace {

std::atomic<size_t> live{0};
std::atomic<size_t> peak{0};

void* take(size_t size) {
  void* memory = std::malloc(size);
  if (memory == nullptr) std::abort();
  const size_t now = live += ::malloc_usable_size(memory);
  if (now > peak) peak = now;
  return memory;
}
void give(void* memory) {
  if (memory == nullptr) return;
  live -= ::malloc_usable_size(memory);
  std::free(memory);
}

}  // namespace

void* operator new(size_t size) { return take(size); }
void* operator new[](size_t size) { return take(size); }
void operator delete(void* memory) noexcept { give(memory); }
void operator delete[](void* memory) noexcept { give(memory); }
void operator delete(void* memory, size_t) noexcept { give(memory); }
void operator delete[](void* memory, size_t) noexcept { give(memory); }

namespace viridian::vhd {
namespace {

constexpr uint64_t kFileBytes = 1 << 20;
constexpr uint64_t kTableAt = 2048;
constexpr uint32_t kEntries = (kFileBytes - kTableAt - 1024) / 4;
constexpr size_t kMostMemory = 64 << 20;

struct Costly {
  std::string name;
  std::function<uint32_t(uint32_t index)> entry;
  bool many_problems = false;
};

// Measures one open; what comes of it is the other tests' matter.
void measure(const std::string& name, uint64_t file_bytes, const std::function<bool()>& open) {
  peak = live.load();
  const size_t before = live;
  const auto start = std::chrono::steady_clock::now();
  const bool good = open();
  const std::chrono::duration<double, std::milli> spent = std::chrono::steady_clock::now() - start;
  const size_t used = peak - before;
  std::printf("%-28s %7.2f ms %8.2f MiB %s\n", name.c_str(), spent.count(),
              static_cast<double>(used) / (1 << 20), good ? "opens" : "refused");
  EXPECT_LE(used, kMostMemory + 2 * file_bytes) << name;
}

// 1 MiB of table, blocks of 512 bytes: the most entries that fit.
void make(const std::string& path, const Costly& costly) {
  ImageFile file(make_dynamic(path));
  const auto footer = file.get<Footer>(0);
  file.resize(0);
  file.resize(kFileBytes);
  std::vector<be32> table(kEntries);
  for (uint32_t i = 0; i < kEntries; ++i)
    table[i] = costly.entry(i);
  Footer changed = footer;
  changed.current_size = uint64_t{kEntries} * 512;
  seal(changed);
  SparseHeader header;
  header.cookie = kHeaderCookie;
  header.data_offset = kNoOffset;
  header.table_offset = kTableAt;
  header.header_version = kFormatVersion;
  header.max_table_entries = kEntries;
  header.block_size = 512;
  seal(header);
  file.put(0, changed);
  file.put(512, header);
  file.put(kFileBytes - 512, changed);
  ASSERT_TRUE(write_exact(file.view(), kTableAt, std::as_bytes(std::span(table)), "table"));
}

TEST(OpenCost, OfTheWorstTablesIsBounded) {
  constexpr uint32_t kSectors = kFileBytes / 512;
  const Costly all[] = {
      {"all unused", [](uint32_t) { return kUnusedEntry; }},
      {"all the same", [](uint32_t) { return kSectors / 2; }},
      {"all the same, every problem", [](uint32_t) { return kSectors / 2; }, true},
      {"downwards", [](uint32_t i) { return kSectors - 4 - i % (kSectors - 8); }},
      {"downwards, every problem", [](uint32_t i) { return kSectors - 4 - i % (kSectors - 8); },
       true},
      {"scattered", [](uint32_t i) { return 4 + i * 2654435761u % (kSectors - 8); }},
      {"all in the copy", [](uint32_t) { return 0u; }, true},
      {"all behind the end", [](uint32_t i) { return kSectors + i; }, true},
  };
  const TempFolder folder;
  for (const Costly& costly : all) {
    const std::string path = folder.file("x.vhd");
    std::filesystem::remove(path);
    make(path, costly);
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    measure(costly.name, kFileBytes, [&] {
      std::vector<Problem> problems;
      return load_image(fd.get(), path, {}, costly.many_problems ? &problems : nullptr).has_value();
    });
  }
}

TEST(OpenCost, OfTheLongestLocatorsIsBounded) {
  const TempFolder folder;
  const std::string path = make_child(folder.file("x.vhd"), make_dynamic(folder.file("base.vhd")));
  ImageFile file(path);
  file.resize(kFileBytes);
  file.put(kFileBytes - 512, file.get<Footer>(0));
  file.change_header([](SparseHeader& header) {
    for (size_t i = 0; i < 8; ++i) {
      ParentLocator& one = header.parent_locators[i];
      one.platform_code = i % 2 == 0 ? kLocatorW2ru : kLocatorMacX;
      one.platform_data_length = 64 << 10;
      one.platform_data_offset = 0x20000 + i * 0x10000;
    }
  });
  measure("8 locators of 64 KiB", kFileBytes,
          [&] { return open_chain(path, Access::kReadOnly).has_value(); });
}

// Nothing but holes, of every size that a file system gives.
TEST(OpenCost, OfTheLargestSparseFilesIsBounded) {
  const TempFolder folder;
  const Footer footer = [&] {
    ImageFile file(make_dynamic(folder.file("x.vhd")));
    return file.get<Footer>(0);
  }();
  ImageFile model(folder.file("x.vhd"));
  SparseHeader header = model.get<SparseHeader>(512);
  for (const unsigned shift : {30u, 40u, 50u, 62u, 63u}) {
    const uint64_t size = (uint64_t{1} << shift) - (shift == 63 ? 1 : 0);
    for (const uint32_t block_size : {512u, 2u << 20}) {
      const UniqueFd fd(::memfd_create("sparse", MFD_CLOEXEC));
      ASSERT_EQ(::ftruncate(fd.get(), static_cast<off_t>(size)), 0);
      Footer changed = footer;
      changed.current_size = std::min<uint64_t>(uint64_t{1} << 45, kMaxBatEntries * block_size);
      seal(changed);
      header.block_size = block_size;
      header.max_table_entries = ~0u;
      seal(header);
      const FileView file{fd.get(), "sparse", size, false, nullptr};
      ASSERT_TRUE(write_exact(file, 0, wire_bytes(changed), "test"));
      ASSERT_TRUE(write_exact(file, 512, wire_bytes(header), "test"));
      // Twice the file is without meaning from some size on; 1 GiB is the smallest one here.
      measure(fmt::format("2^{} bytes, blocks of {}", shift, block_size), 1 << 30, [&] {
        OpenPolicy policy;
        policy.format = Format::kVhd;
        const auto image = load_image(fd.get(), "sparse", policy);
        EXPECT_FALSE(image);
        return image.has_value();
      });
    }
  }
}

// What this process was given by read calls so far, or 0 where the kernel does not count it.
uint64_t bytes_read() {
  std::ifstream io("/proc/self/io");
  std::string name;
  uint64_t bytes = 0;
  return io >> name >> bytes && name == "rchar:" ? bytes : 0;
}

// 16 million entries that are all zero: the first of them says all.
TEST(OpenCost, OfATableThatIsAHoleIsOnePiece) {
  if (bytes_read() == 0) GTEST_SKIP() << "no /proc/self/io";
  const TempFolder folder;
  ImageFile file(make_dynamic(folder.file("x.vhd")));
  file.resize(uint64_t{1} << 40);
  Footer footer = file.get<Footer>(0);
  footer.current_size = kMaxBatEntries * 512;
  seal(footer);
  SparseHeader header = file.get<SparseHeader>(512);
  header.block_size = 512;
  header.table_offset = uint64_t{1} << 30;
  header.max_table_entries = kMaxBatEntries;
  seal(header);
  file.put(0, footer);
  file.put(512, header);
  const uint64_t before = bytes_read();
  const auto image = load_image(file.view().fd, folder.file("x.vhd"));
  EXPECT_LE(bytes_read() - before, 512u << 10);
  ASSERT_FALSE(image);
  EXPECT_NE(image.error().message.find("table entry 0 is sector 0"), std::string::npos)
      << image.error().message;
}

// The file gets shorter between the look at its size and the reading of it.
TEST(OpenCost, FileThatShrinksMeanwhileIsAnErrorAndNoMore) {
  const TempFolder folder;
  ImageFile file(make_dynamic(folder.file("x.vhd")));
  FileView view = *view_file(file.view().fd, "x.vhd");
  std::vector<std::byte> bytes(512);
  file.resize(1000);
  const auto read = read_exact(view, 900, bytes, "header");
  ASSERT_FALSE(read);
  EXPECT_NE(read.error().message.find("shrank"), std::string::npos);
}

}  // namespace
}  // namespace viridian::vhd
