// A disk in memory: the reference for every other BlockDevice, and the fast end of benchmarks.
#pragma once

#include <vector>

#include "io/block_device.h"

namespace viridian::io {

class RamDisk final : public BlockDevice {
 public:
  RamDisk(Reactor& reactor, uint64_t sector_count, bool read_only = false);

  DiskInfo info() const noexcept override { return info_; }
  void submit(IoRequest& request) noexcept override;

  std::span<std::byte> bytes() noexcept { return bytes_; }

 private:
  IoStatus execute(const IoRequest& request) noexcept;

  Reactor& reactor_;
  DiskInfo info_;
  std::vector<std::byte> bytes_;
};

}  // namespace viridian::io
