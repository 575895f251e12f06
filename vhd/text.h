// File names in a VHD: UTF-16 in either order, from any writer, to and from the UTF-8 of this host.
//
// Windows allows unpaired surrogates in names; they become the three bytes that a pair's half would
// have (WTF-8) and come back unchanged. quote() is for people: no byte of an image reaches a
// terminal as it is.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace viridian::vhd {

std::string utf8_from_utf16(std::span<const uint16_t> units);

// Nothing if `text` is not UTF-8 (surrogates allowed).
std::optional<std::vector<uint16_t>> utf16_from_utf8(std::string_view text);

// 'name', with control bytes and malformed UTF-8 written as \xNN.
std::string quote(std::string_view text);

}  // namespace viridian::vhd
