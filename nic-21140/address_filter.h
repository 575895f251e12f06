// Which destinations the chip receives, as the last setup frame said: "21140A Hardware Reference
// Manual", section 4.2.3. The modes of CSR6 that take more are the receiver's. Gate held.
#pragma once

#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <span>

#include "nic-21140/descriptor_format.h"
#include "nic-21140/limits.h"

namespace viridian::tulip {

enum class FilterMode : uint8_t {
  kPerfect,   // the sixteen addresses
  kHash,      // multicast by hash, one unicast address
  kInverse,   // all but the sixteen addresses
  kHashOnly,  // everything by hash
};

class AddressFilter {
 public:
  using Address = std::span<const std::byte, kAddressBytes>;

  // FT1 and FT0 of the descriptor choose the mode.
  void load(uint32_t control, const SetupFrame& frame) noexcept;
  void reset() noexcept { *this = AddressFilter(); }

  bool accepts(Address destination) const noexcept;
  uint32_t csr6_bits() const noexcept;  // HP, HO and IF, which a driver only reads

  static bool is_multicast(Address address) noexcept {
    return (address[0] & std::byte{1}) != std::byte{0};
  }

 private:
  bool listed(uint64_t address) const noexcept;

  FilterMode mode_ = FilterMode::kPerfect;
  unsigned count_ = 0;  // of addresses_; none before the first setup frame
  std::array<uint64_t, kSetupAddresses> addresses_{};
  std::bitset<512> hash_;
};

}  // namespace viridian::tulip
