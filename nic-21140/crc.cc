#include "nic-21140/crc.h"

#include <rte_net_crc.h>

namespace viridian::tulip {

uint32_t frame_check_sequence(std::span<const std::byte> bytes) noexcept {
  return rte_net_crc_calc(bytes.data(), static_cast<uint32_t>(bytes.size()), RTE_NET_CRC32_ETH);
}

unsigned address_hash(std::span<const std::byte, 6> address) noexcept {
  constexpr uint32_t kIndexMask = 511;
  return ~frame_check_sequence(address) & kIndexMask;
}

}  // namespace viridian::tulip
