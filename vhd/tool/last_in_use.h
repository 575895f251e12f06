// Where the last byte of a disk is that is not zero.
#pragma once

#include <cstdint>
#include <string>

#include "io/reactor.h"
#include "vhd/image.h"

namespace viridian::vhd::tool {

// Looks from byte `from` on, through the parents too: what is behind the last byte that is not
// zero, or 0 if there is none. The caller holds the image's lock.
Result<uint64_t> end_of_use(io::Reactor& reactor, const std::string& path, const OpenPolicy& policy,
                            uint64_t from);

}  // namespace viridian::vhd::tool
