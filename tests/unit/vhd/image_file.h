// Image files for the tests of the formats: a folder that goes away, and the structures of an image
// changed in place, with right checksums.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "io/unique_fd.h"
#include "vhd/control_io.h"
#include "vhd/create.h"
#include "vhd/footer.h"

namespace viridian::vhd {

class TempFolder {
 public:
  TempFolder() {
    std::string name = std::filesystem::temp_directory_path() / "viridian-vhd-XXXXXX";
    path_ = ::mkdtemp(name.data());
  }
  ~TempFolder() { std::filesystem::remove_all(path_); }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  std::string file(std::string_view name) const { return path_ / name; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

constexpr uint64_t kTestSize = 40ull << 20;  // not the product of its geometry

inline std::string make_dynamic(const std::string& path, uint64_t size_bytes = kTestSize) {
  CreateOptions options;
  options.size_bytes = size_bytes;
  const auto made = create_dynamic(path, options);
  EXPECT_TRUE(made) << made.error().message;
  return path;
}

inline std::string make_child(const std::string& path, const std::string& parent) {
  const auto made = create_differencing(path, parent, {});
  EXPECT_TRUE(made) << made.error().message;
  return path;
}

// An image on disk, open for changing.
class ImageFile {
 public:
  explicit ImageFile(const std::string& path) : fd_(::open(path.c_str(), O_RDWR | O_CLOEXEC)) {
    const auto file = view_file(fd_.get(), path);
    EXPECT_TRUE(file);
    if (file) file_ = *file;
  }
  uint64_t size() const {
    const auto file = view_file(fd_.get(), file_.name);
    return file ? file->size_bytes : 0;
  }
  void resize(uint64_t size_bytes) {
    EXPECT_EQ(::ftruncate(fd_.get(), static_cast<off_t>(size_bytes)), 0);
  }
  const FileView& view() const { return file_; }

  template <WireStruct T>
  T get(uint64_t offset) {
    auto value = read_struct<T>(file_, offset, "test");
    EXPECT_TRUE(value) << value.error().message;
    return *value;
  }
  template <WireStruct T>
  void put(uint64_t offset, const T& value) {
    EXPECT_TRUE(write_exact(file_, offset, wire_bytes(value), "test"));
  }

  // Changes the last footer and, in a sparse image, its copy.
  template <class Change>
  void change_footer(Change&& change) {
    change_last_footer(change);
    if (get<Cookie>(0) == kFooterCookie) change_copy(change);
  }
  template <class Change>
  void change_last_footer(Change&& change) {
    change_at<Footer>(size() - sizeof(Footer), change);
  }
  template <class Change>
  void change_copy(Change&& change) {
    change_at<Footer>(0, change);
  }
  template <class Change>
  void change_header(Change&& change) {
    change_at<SparseHeader>(get<Footer>(0).data_offset, change);
  }
  void set_entry(uint32_t index, uint32_t sector) {
    const uint64_t table = get<SparseHeader>(get<Footer>(0).data_offset).table_offset;
    put<be32>(table + uint64_t{index} * 4, sector);
  }
  uint32_t entry(uint32_t index) {
    return get<be32>(get<SparseHeader>(get<Footer>(0).data_offset).table_offset + index * 4);
  }
  // Puts a block behind all others, its bitmap full, and the footer behind it: 4 KiB layout.
  void append_block(uint32_t index) {
    const uint64_t at = size() - sizeof(Footer);
    const auto footer = get<Footer>(at);
    const uint32_t block_size = get<SparseHeader>(footer.data_offset).block_size;
    const uint64_t end = at + 512 + block_size;
    resize((end + sizeof(Footer) + 4095) / 4096 * 4096);
    for (uint64_t i = 0; i < block_size / 4096; ++i)
      put<be64>(at + i / 8 * 8, ~uint64_t{0});
    put(size() - sizeof(Footer), footer);
    set_entry(index, static_cast<uint32_t>(at / 512));
  }

 private:
  template <class T, class Change>
  void change_at(uint64_t offset, Change&& change) {
    T value = get<T>(offset);
    change(value);
    seal(value);
    put(offset, value);
  }

  UniqueFd fd_;
  FileView file_;
};

}  // namespace viridian::vhd
