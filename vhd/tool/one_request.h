// One request to a disk, waited for: for a command that has no second one to do meanwhile.
#pragma once

#include <span>

#include "base/result.h"
#include "io/block_device.h"

namespace viridian::vhd::tool {

std::string_view text_of(io::IoStatus status);

// On the reactor's thread. `bytes` are read into or written from.
Result<void> run_request(io::Reactor& reactor, io::BlockDevice& disk, io::IoOp op, uint64_t offset,
                         std::span<std::byte> bytes);

}  // namespace viridian::vhd::tool
