// An Ethernet address, as people write it and as the switch compares it.
//
// The data path holds an address as the 48 bits that lie in a frame, loaded as they are: that value
// is only ever compared and hashed, so its byte order does not matter.
#pragma once

#include <fmt/core.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

namespace viridian::vswitch {

struct MacAddress {
  std::array<uint8_t, 6> bytes{};

  bool operator==(const MacAddress&) const = default;
  auto operator<=>(const MacAddress&) const = default;

  bool is_multicast() const noexcept { return (bytes[0] & 1) != 0; }
  bool is_zero() const noexcept { return *this == MacAddress{}; }

  uint64_t bits() const noexcept {
    uint64_t value = 0;
    std::memcpy(&value, bytes.data(), bytes.size());
    return value;
  }
  static MacAddress from_bits(uint64_t bits) noexcept {
    MacAddress mac;
    std::memcpy(mac.bytes.data(), &bits, mac.bytes.size());
    return mac;
  }

  std::string to_string() const {
    return fmt::format("{:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", bytes[0], bytes[1], bytes[2],
                       bytes[3], bytes[4], bytes[5]);
  }
};

// "00:15:5d:01:02:03", also with dashes; nothing if it is anything else.
std::optional<MacAddress> parse_mac(std::string_view text);

}  // namespace viridian::vswitch
