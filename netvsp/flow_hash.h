// The Toeplitz hash of a frame's flow, as receive scaling defines it: over the addresses, and the
// ports of TCP. [MS-DOCS] "RSS Hashing Types". Data path.
#pragma once

#include <rte_mbuf.h>

#include <array>
#include <cstdint>
#include <optional>

#include "netvsp/limits.h"

namespace viridian::netvsp {

// Aligned, since DPDK's hash reads it as words.
struct HashKey {
  alignas(uint32_t) std::array<uint8_t, kHashKeyBytes> bytes{};
};

// Nothing if the frame is neither IPv4 nor IPv6.
std::optional<uint32_t> flow_hash(const rte_mbuf& frame, const HashKey& key) noexcept;

}  // namespace viridian::netvsp
