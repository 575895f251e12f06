// The Toeplitz hash of a frame's flow, as receive scaling defines it: over the addresses, and the
// ports of TCP. [MS-DOCS] "RSS Hashing Types". Data path.
#pragma once

#include <rte_mbuf.h>

#include <cstdint>
#include <optional>
#include <span>

#include "netvsp/limits.h"

namespace viridian::netvsp {

// Nothing if the frame is neither IPv4 nor IPv6.
std::optional<uint32_t> flow_hash(const rte_mbuf& frame,
                                  std::span<const uint8_t, kHashKeyBytes> key) noexcept;

}  // namespace viridian::netvsp
