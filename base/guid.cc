#include "base/guid.h"

#include <charconv>

namespace viridian {
namespace {

// Which byte of the structure each printed pair of digits is.
constexpr std::array<size_t, 16> kPrintOrder = {3, 2, 1,  0,  5,  4,  7,  6,
                                                8, 9, 10, 11, 12, 13, 14, 15};

constexpr bool dash_before(size_t pair) {
  return pair == 4 || pair == 6 || pair == 8 || pair == 10;
}

}  // namespace

Result<Guid> parse_guid(std::string_view text) {
  Guid guid;
  size_t at = 0;
  for (size_t pair = 0; pair < kPrintOrder.size(); ++pair) {
    const bool dash_missing = dash_before(pair) && (at >= text.size() || text[at++] != '-');
    if (dash_missing || at + 2 > text.size()) {
      return fail(ErrorKind::kInvalidArgument, "'{}' is not a GUID", text);
    }
    const char* digits = text.data() + at;
    const auto [end, error] =
        std::from_chars(digits, digits + 2, guid.bytes[kPrintOrder[pair]], 16);
    if (error != std::errc() || end != digits + 2) {
      return fail(ErrorKind::kInvalidArgument, "'{}' is not a GUID", text);
    }
    at += 2;
  }
  if (at != text.size()) return fail(ErrorKind::kInvalidArgument, "'{}' is not a GUID", text);
  return guid;
}

std::string to_string(const Guid& guid) {
  std::string text;
  for (size_t pair = 0; pair < kPrintOrder.size(); ++pair) {
    if (dash_before(pair)) text += '-';
    text += fmt::format("{:02x}", guid.bytes[kPrintOrder[pair]]);
  }
  return text;
}

}  // namespace viridian
