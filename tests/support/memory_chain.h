// A chain of VHDs in memory, the leaf writable: images as create.h makes them, opened by the engine
// on MemoryFiles that outlive the disk. For the tests of the engine.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "io/memory_file.h"
#include "tests/support/temp_folder.h"
#include "vhd/chain_disk.h"

namespace viridian::vhd {

// Reads an image in memory as load_image() reads a file.
Result<Image> load_image_from(const std::vector<std::byte>& bytes, const std::string& name);

class MemoryChain {
 public:
  explicit MemoryChain(io::Reactor& reactor) : reactor_(reactor) {}

  // Puts an empty image on top: dynamic if it is the first, differencing else.
  void push(uint64_t size_bytes, uint32_t block_size);
  void push_fixed(uint64_t size_bytes);
  size_t depth() const { return layers_.size(); }

  // Opens the chain; the disk is destroyed before the next call of anything here.
  // `log` is told what happens to the leaf, from the open on.
  Result<std::unique_ptr<ChainDisk>> open(const DiskLimits& limits = {},
                                          io::ChangeLog* log = nullptr);
  // Of the last open(), and its bytes after that: the leaf's file, or a parent's.
  io::MemoryFile& file(size_t layer = 0) { return *layers_[layers_.size() - 1 - layer].file; }
  std::vector<std::byte> leaf_bytes() const;
  void set_leaf_bytes(std::vector<std::byte> bytes) {
    layers_.back().bytes = std::move(bytes);
    layers_.back().file.reset();
  }

 private:
  struct Layer {
    std::string path;
    std::vector<std::byte> bytes;          // until it is opened
    std::unique_ptr<io::MemoryFile> file;  // from then on
    std::optional<Image> image;            // as it was opened
  };
  void add(const std::string& path);

  io::Reactor& reactor_;
  TempFolder folder_{"/dev/shm"};
  std::vector<Layer> layers_;  // the base first
};

}  // namespace viridian::vhd
