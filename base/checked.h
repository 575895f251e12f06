// Arithmetic on numbers that a guest or a file chose: nothing wraps unseen.
#pragma once

#include <bit>
#include <concepts>
#include <cstdint>
#include <optional>

namespace viridian {

template <std::integral T>
constexpr std::optional<T> checked_add(T a, T b) {
  T sum;
  if (__builtin_add_overflow(a, b, &sum)) return std::nullopt;
  return sum;
}

template <std::integral T>
constexpr std::optional<T> checked_mul(T a, T b) {
  T product;
  if (__builtin_mul_overflow(a, b, &product)) return std::nullopt;
  return product;
}

// True if [offset, offset + length) lies within [0, limit), whatever the three are.
template <std::unsigned_integral T>
constexpr bool range_within(T offset, T length, T limit) {
  return offset <= limit && length <= limit - offset;
}

// `alignment` is a power of two; the caller knows that the result fits.
template <std::unsigned_integral T>
constexpr T align_down(T value, T alignment) {
  return value & ~(alignment - 1);
}
template <std::unsigned_integral T>
constexpr T align_up(T value, T alignment) {
  return align_down(static_cast<T>(value + (alignment - 1)), alignment);
}
template <std::unsigned_integral T>
constexpr bool is_aligned(T value, T alignment) {
  return (value & (alignment - 1)) == 0;
}
template <std::unsigned_integral T>
constexpr T div_ceil(T value, T divisor) {
  return static_cast<T>(value / divisor + (value % divisor != 0));
}

}  // namespace viridian
