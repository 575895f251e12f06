// Reads and writes of a disk, one at a time, for commands that go through it once.
#pragma once

#include <memory>
#include <span>

#include "io/block_device.h"

namespace viridian::vhd::tool {

class DiskIo {
 public:
  DiskIo(io::Reactor& reactor, io::BlockDevice& disk) : reactor_(reactor), disk_(disk) {}

  // Whole sectors; `offset` in bytes.
  Result<void> read(uint64_t offset, std::span<std::byte> into);
  Result<void> write(uint64_t offset, std::span<const std::byte> from);
  Result<void> flush();

 private:
  Result<void> run(io::IoOp op, uint64_t offset, const iovec& part);

  io::Reactor& reactor_;
  io::BlockDevice& disk_;
};

}  // namespace viridian::vhd::tool
