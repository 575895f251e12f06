// GUIDs in Microsoft's mixed byte order: the first three groups little-endian, the rest as printed.
// VHD's "unique id" fields are 16 raw bytes and not of this type.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/endian.h"
#include "base/result.h"

namespace viridian {

struct Guid {
  std::array<uint8_t, 16> bytes{};

  friend constexpr bool operator==(const Guid&, const Guid&) = default;
};
static_assert(WireStruct<Guid> && sizeof(Guid) == 16);

// "f8615163-df3e-46c5-913f-f2d2f965ed0e"; kInvalidArgument for anything else.
Result<Guid> parse_guid(std::string_view text);
std::string to_string(const Guid& guid);

// For constants: a malformed literal does not compile.
consteval Guid operator""_guid(const char* text, size_t length) {
  constexpr std::array<int, 16> kOrder = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};
  auto nibble = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    throw "a GUID literal has lower-case hexadecimal digits";
  };
  if (length != 36) throw "a GUID literal has 36 characters";
  Guid guid;
  size_t at = 0;
  for (int index : kOrder) {
    if (text[at] == '-') ++at;
    guid.bytes[static_cast<size_t>(index)] =
        static_cast<uint8_t>(nibble(text[at]) << 4 | nibble(text[at + 1]));
    at += 2;
  }
  return guid;
}

}  // namespace viridian
