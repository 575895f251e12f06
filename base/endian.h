// Integers with a fixed byte order and alignment 1: the only integers allowed in wire and disk
// structures, so that a structure's layout is its specification's, without packing attributes.
#pragma once

#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <type_traits>

namespace viridian {

template <std::unsigned_integral T, std::endian Order>
class Wire {
 public:
  constexpr Wire() = default;
  constexpr Wire(T value) { set(value); }  // NOLINT: a wire integer is written like an integer.

  constexpr T get() const { return in_order(std::bit_cast<T>(bytes_)); }
  constexpr void set(T value) { bytes_ = std::bit_cast<Bytes>(in_order(value)); }
  constexpr operator T() const { return get(); }  // NOLINT: and read like one.
  friend constexpr bool operator==(const Wire&, const Wire&) = default;

 private:
  using Bytes = std::array<uint8_t, sizeof(T)>;

  // Between the host's order and the wire's: the same step both ways, and one instruction.
  static constexpr T in_order(T value) {
    if constexpr (Order == std::endian::native) return value;
    if constexpr (sizeof(T) == 2) return __builtin_bswap16(value);
    if constexpr (sizeof(T) == 4) return __builtin_bswap32(value);
    if constexpr (sizeof(T) == 8) return __builtin_bswap64(value);
  }
  Bytes bytes_{};
};

using le16 = Wire<uint16_t, std::endian::little>;
using le32 = Wire<uint32_t, std::endian::little>;
using le64 = Wire<uint64_t, std::endian::little>;
using be16 = Wire<uint16_t, std::endian::big>;
using be32 = Wire<uint32_t, std::endian::big>;
using be64 = Wire<uint64_t, std::endian::big>;

// A structure whose bytes in memory are its bytes on the wire: no padding, no alignment.
template <class T>
concept WireStruct = std::is_trivially_copyable_v<T> &&
                     std::has_unique_object_representations_v<T> && alignof(T) == 1;

// Copies a T out of `bytes` at `offset`; nothing if it would end behind them.
template <WireStruct T>
std::optional<T> read_wire(std::span<const std::byte> bytes, size_t offset = 0) {
  if (offset > bytes.size() || bytes.size() - offset < sizeof(T)) return std::nullopt;
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

// Copies `value` into `bytes` at `offset`; false, and nothing written, if it would not fit.
template <WireStruct T>
bool write_wire(std::span<std::byte> bytes, const T& value, size_t offset = 0) {
  if (offset > bytes.size() || bytes.size() - offset < sizeof(T)) return false;
  std::memcpy(bytes.data() + offset, &value, sizeof(T));
  return true;
}

template <WireStruct T>
std::span<const std::byte> wire_bytes(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}

}  // namespace viridian
