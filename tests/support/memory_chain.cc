#include "tests/support/memory_chain.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "io/unique_fd.h"
#include "vhd/create.h"

namespace viridian::vhd {
namespace {

// A File that is owned elsewhere.
class BorrowedFile final : public io::File {
 public:
  explicit BorrowedFile(io::File& file) : file_(file) {}
  void submit(io::FileRequest& request) noexcept override { file_.submit(request); }
  bool start_plain(io::Completion& completion, io::FileOp op, uint64_t offset,
                   std::span<const iovec> data, uint64_t length) noexcept override {
    return file_.start_plain(completion, op, offset, data, length);
  }
  Result<uint64_t> size() const override { return file_.size(); }
  Result<size_t> read_at(uint64_t offset, std::span<std::byte> into) const override {
    return file_.read_at(offset, into);
  }
  Result<void> write_at(uint64_t offset, std::span<const std::byte> from) override {
    return file_.write_at(offset, from);
  }
  Result<void> sync() override { return file_.sync(); }
  Result<void> resize(uint64_t size_bytes) override { return file_.resize(size_bytes); }
  const std::string& name() const noexcept override { return file_.name(); }
  bool read_only() const noexcept override { return file_.read_only(); }

 private:
  io::File& file_;
};

std::vector<std::byte> read_file(const std::string& path) {
  std::vector<std::byte> bytes(std::filesystem::file_size(path));
  std::ifstream stream(path, std::ios::binary);
  std::vector<char> chars(bytes.size());
  stream.read(chars.data(), static_cast<std::streamsize>(chars.size()));
  std::transform(chars.begin(), chars.end(), bytes.begin(),
                 [](char c) { return static_cast<std::byte>(c); });
  return bytes;
}

}  // namespace

Result<Image> load_image_from(const std::vector<std::byte>& bytes, const std::string& name) {
  const UniqueFd fd(::memfd_create("image", MFD_CLOEXEC));
  if (!fd) return fail_errno("memfd_create", errno);
  if (::pwrite(fd.get(), bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    return fail_errno("memfd", errno);
  }
  return load_image(fd.get(), name);
}

void MemoryChain::add(const std::string& path) {
  layers_.push_back({path, read_file(path), nullptr, std::nullopt});
}

void MemoryChain::push(uint64_t size_bytes, uint32_t block_size) {
  const std::string path = folder_.file(std::to_string(layers_.size()) + ".vhd");
  CreateOptions options;
  options.size_bytes = size_bytes;
  options.block_size = block_size;
  const auto made = layers_.empty() ? create_dynamic(path, options)
                                    : create_differencing(path, layers_.back().path, options);
  ASSERT_TRUE(made) << made.error().message;
  add(path);
}

void MemoryChain::push_fixed(uint64_t size_bytes) {
  const std::string path = folder_.file(std::to_string(layers_.size()) + ".vhd");
  CreateOptions options;
  options.size_bytes = size_bytes;
  const auto made = create_fixed(path, options);
  ASSERT_TRUE(made) << made.error().message;
  add(path);
}

std::vector<std::byte> MemoryChain::leaf_bytes() const {
  const Layer& leaf = layers_.back();
  return leaf.file ? leaf.file->bytes() : leaf.bytes;
}

Result<std::unique_ptr<ChainDisk>> MemoryChain::open(const DiskLimits& limits, io::ChangeLog* log) {
  std::vector<ChainDisk::Part> parts;
  for (size_t i = layers_.size(); i-- > 0;) {
    Layer& layer = layers_[i];
    const bool is_leaf = i + 1 == layers_.size();
    if (is_leaf || !layer.image || !layer.file->read_only()) {
      // Opened anew, without what a test had asked of it.
      if (layer.file) {
        layer.file =
            std::make_unique<io::MemoryFile>(reactor_, layer.path, layer.file->release(), !is_leaf);
      } else {
        layer.file = std::make_unique<io::MemoryFile>(reactor_, layer.path, layer.bytes, !is_leaf);
        layer.bytes = {};
      }
      auto image = load_image(layer.file->fd(), layer.path);
      if (!image) return Unexpected(std::move(image).error());
      layer.image = std::move(*image);
      layer.file->record(is_leaf ? log : nullptr);
    }
    parts.push_back({std::make_unique<BorrowedFile>(*layer.file), *layer.image});
  }
  return ChainDisk::create(reactor_, std::move(parts), false, limits);
}

}  // namespace viridian::vhd
