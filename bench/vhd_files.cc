#include "bench/vhd_files.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <filesystem>
#include <optional>

#include "base/checked.h"
#include "bench/vhd_load.h"
#include "vhd/create.h"
#include "vhd/footer.h"

namespace viridian::bench {
namespace {

void check(const Result<void>& result) {
  if (!result) give_up(result.error().message);
}

void write_all(const std::string& path) {
  static const Buffers buffers;
  EngineLoop engine(path, false);
  Work work;
  work.is_write = true;
  work.bytes = 1u << 20;
  work.depth = 8;
  work.flush_at_end = true;
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  const auto image = vhd::load_image(fd.get(), path);
  if (!image) give_up(image.error().message);
  work.region = image->size_bytes;
  work.max_count = work.region / work.bytes;
  engine.run(work, buffers);
}

void put(int fd, uint64_t offset, std::span<const std::byte> bytes) {
  if (::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset)) !=
      static_cast<ssize_t>(bytes.size())) {
    give_up("an image could not be written");
  }
}

}  // namespace

Folder::Folder(const std::string& parent) {
  path_ = parent + "/vhd-speed-XXXXXX";
  if (::mkdtemp(path_.data()) == nullptr) give_up(parent + ": no folder can be made there");
}

Folder::~Folder() {
  std::error_code error;
  std::filesystem::remove_all(path_, error);
}

void make_fixed(const std::string& path, uint64_t size_bytes, Fill fill) {
  vhd::CreateOptions options;
  options.size_bytes = size_bytes;
  options.replace = true;
  check(vhd::create_fixed(path, options));
  if (fill == Fill::kWritten) write_all(path);
}

void make_dynamic(const std::string& path, uint64_t size_bytes, Fill fill) {
  vhd::CreateOptions options;
  options.size_bytes = size_bytes;
  options.replace = true;
  check(vhd::create_dynamic(path, options));
  if (fill == Fill::kWritten) write_all(path);
}

void make_child(const std::string& path, const std::string& parent, Fill fill) {
  vhd::CreateOptions options;
  options.replace = true;
  check(vhd::create_differencing(path, parent, options));
  if (fill == Fill::kWritten) write_all(path);
}

void make_raw(const std::string& path, uint64_t size_bytes) {
  ::unlink(path.c_str());
  const UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd || ::ftruncate(fd.get(), static_cast<off_t>(size_bytes)) != 0) {
    give_up(path + ": cannot be made");
  }
}

void make_unaligned(const std::string& path, uint64_t size_bytes) {
  make_dynamic(path, size_bytes, Fill::kEmpty);
  const UniqueFd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  const auto image = vhd::load_image(fd.get(), path);
  if (!image) give_up(image.error().message);
  const uint64_t stride = image->bitmap_bytes + uint64_t{image->block_size};
  std::vector<be32> table(align_up<uint64_t>(image->bat.size(), 128), be32(~0u));
  std::vector<std::byte> block(stride, std::byte{0xff});
  for (size_t i = 0; i < image->bat.size(); ++i) {
    const uint64_t offset = image->data_end + i * stride;
    table[i] = static_cast<uint32_t>(offset / 512);
    put(fd.get(), offset, block);
  }
  put(fd.get(), image->bat_offset, std::as_bytes(std::span(table)));
  put(fd.get(), image->data_end + image->bat.size() * stride, wire_bytes(image->footer));
}

std::vector<std::string> make_chain(const Folder& folder, const std::string& base, unsigned depth) {
  std::vector<std::string> paths = {base};
  const std::string stem = std::filesystem::path(base).stem();
  while (paths.size() < depth) {
    paths.push_back(folder.file(fmt::format("{}-child-{}.vhd", stem, paths.size())));
    make_child(paths.back(), paths[paths.size() - 2], Fill::kEmpty);
  }
  return paths;
}

void evict(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return;
  ::fsync(fd.get());
  ::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_DONTNEED);
}

}  // namespace viridian::bench
