#include "vhd/text.h"

#include <fmt/core.h>

namespace viridian::vhd {
namespace {

constexpr uint32_t kMalformed = ~0u;

constexpr bool is_high_surrogate(uint32_t unit) { return unit >= 0xd800 && unit < 0xdc00; }
constexpr bool is_low_surrogate(uint32_t unit) { return unit >= 0xdc00 && unit < 0xe000; }

void append_utf8(std::string& text, uint32_t code) {
  auto put = [&](uint32_t byte) { text.push_back(static_cast<char>(byte)); };
  if (code < 0x80) return put(code);
  if (code < 0x800) {
    put(0xc0 | code >> 6);
  } else {
    if (code < 0x10000) {
      put(0xe0 | code >> 12);
    } else {
      put(0xf0 | code >> 18);
      put(0x80 | (code >> 12 & 0x3f));
    }
    put(0x80 | (code >> 6 & 0x3f));
  }
  put(0x80 | (code & 0x3f));
}

// Takes one code point off the front of `text`, which is not empty; one byte if it is malformed.
uint32_t take_utf8(std::string_view& text) {
  const auto lead = static_cast<uint8_t>(text.front());
  const size_t length = lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  constexpr uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  constexpr uint32_t kLeadMask[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
  uint32_t code = lead & kLeadMask[length];
  bool good = length > 0 && length <= text.size() && lead < 0xf5;
  for (size_t i = 1; good && i < length; ++i) {
    const auto next = static_cast<uint8_t>(text[i]);
    good = (next & 0xc0) == 0x80;
    code = code << 6 | (next & 0x3f);
  }
  if (!good || code < kSmallest[length] || code > 0x10ffff) {
    text.remove_prefix(1);
    return kMalformed;
  }
  text.remove_prefix(length);
  return code;
}

}  // namespace

std::string utf8_from_utf16(std::span<const uint16_t> units) {
  std::string text;
  for (size_t i = 0; i < units.size(); ++i) {
    uint32_t code = units[i];
    if (is_high_surrogate(code) && i + 1 < units.size() && is_low_surrogate(units[i + 1])) {
      code = 0x10000 + ((code - 0xd800) << 10) + (units[++i] - 0xdc00u);
    }
    append_utf8(text, code);
  }
  return text;
}

std::optional<std::vector<uint16_t>> utf16_from_utf8(std::string_view text) {
  std::vector<uint16_t> units;
  while (!text.empty()) {
    const uint32_t code = take_utf8(text);
    if (code == kMalformed) return std::nullopt;
    if (code < 0x10000) {
      units.push_back(static_cast<uint16_t>(code));
    } else {
      units.push_back(static_cast<uint16_t>(0xd800 + ((code - 0x10000) >> 10)));
      units.push_back(static_cast<uint16_t>(0xdc00 + (code & 0x3ff)));
    }
  }
  return units;
}

std::string quote(std::string_view text) {
  std::string out = "'";
  while (!text.empty()) {
    const std::string_view before = text;
    const uint32_t code = take_utf8(text);
    const std::string_view taken = before.substr(0, before.size() - text.size());
    const bool printable = code != kMalformed && code >= 0x20 && !(code >= 0x7f && code < 0xa0) &&
                           !is_high_surrogate(code) && !is_low_surrogate(code) &&
                           !(code >= 0x200e && code <= 0x202e) &&
                           !(code >= 0x2066 && code <= 0x2069);
    if (printable) {
      out += taken;
      continue;
    }
    for (char byte : taken)
      out += fmt::format("\\x{:02x}", static_cast<uint8_t>(byte));
  }
  return out + "'";
}

}  // namespace viridian::vhd
