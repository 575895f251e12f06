// CRC-32 of IEEE 802.3, clause 3.2.9, by DPDK's implementation: the FCS of a frame, the hash of an
// address (its low nine bits), and the checksum of the serial ROM.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace viridian::tulip {

// As the FCS is sent: inverted, least significant byte first.
uint32_t frame_check_sequence(std::span<const std::byte> bytes) noexcept;

// The bit of the 512-bit hash filter that `address` selects.
unsigned address_hash(std::span<const std::byte, 6> address) noexcept;

}  // namespace viridian::tulip
