// Reading and writing a file on the control path: whole ranges with pread and pwrite, and errors
// that name the file and what was there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/endian.h"
#include "base/result.h"
#include "vhd/image.h"

namespace viridian::vhd {

// Bytes that are to be in a file, and are not yet.
struct Patch {
  uint64_t offset = 0;
  std::vector<std::byte> bytes;
};

struct FileView {
  int fd = -1;
  std::string name;  // for messages
  uint64_t size_bytes = 0;
  bool is_block_device = false;
  std::vector<Problem>* problems = nullptr;  // where all damage is noted, if somebody asks
  // If set, the file is seen as it will be: with these in it, and zeroes up to size_bytes.
  const std::vector<Patch>* patches = nullptr;

  // After damage that leaves the rest readable: whether to go on looking for more.
  bool goes_on() const { return problems != nullptr && problems->size() < kMaxProblems; }
};

// A place in the file that has a name.
struct Field {
  std::string name;  // "header: block_size"
  uint64_t offset = 0;
};

// kInvalidArgument for anything but a regular file or a block device.
Result<FileView> view_file(int fd, std::string_view name);

// `what` is for the message: "footer". The caller has checked the range against size_bytes; a file
// that shrank since gives kIo.
Result<void> read_exact(const FileView& file, uint64_t offset, std::span<std::byte> into,
                        std::string_view what);
Result<void> write_exact(const FileView& file, uint64_t offset, std::span<const std::byte> from,
                         std::string_view what);

template <WireStruct T>
Result<T> read_struct(const FileView& file, uint64_t offset, std::string_view what) {
  T value;
  VIRIDIAN_TRY(read_exact(file, offset, std::as_writable_bytes(std::span(&value, 1)), what));
  return value;
}

// The image that `file` shows: load_image() of image.h for a view with patches.
Result<Image> load_image(const FileView& file, const OpenPolicy& policy);

// kCorrupt: "`file`: `field` `text`; ..." with the cure. Also noted as a problem.
Unexpected damaged_because(const FileView& file, const Field& field, std::string text);

template <class... Args>
Unexpected damaged(const FileView& file, const Field& field, fmt::format_string<Args...> text,
                   Args&&... args) {
  return damaged_because(file, field, fmt::format(text, std::forward<Args>(args)...));
}

}  // namespace viridian::vhd
