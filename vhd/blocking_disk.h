// Requests to a disk one at a time, waiting for each: for control paths that own the reactor.
#pragma once

#include <span>

#include "base/result.h"
#include "io/block_device.h"
#include "io/reactor.h"

namespace viridian::vhd {

class BlockingDisk {
 public:
  BlockingDisk(io::Reactor& reactor, io::BlockDevice& disk) : reactor_(reactor), disk_(disk) {}

  // Offsets and lengths in bytes, multiples of a sector.
  Result<void> read(uint64_t offset, std::span<std::byte> into);
  Result<void> write(uint64_t offset, std::span<std::byte> from);
  Result<void> write_zeroes(uint64_t offset, uint64_t length);
  Result<void> flush();

 private:
  Result<void> run(io::IoOp op, uint64_t offset, uint64_t length, std::span<std::byte> bytes);

  io::Reactor& reactor_;
  io::BlockDevice& disk_;
};

}  // namespace viridian::vhd
