#include "vhd/tool/size_text.h"

#include <array>
#include <charconv>

#include "base/checked.h"

namespace viridian::vhd::tool {

Result<uint64_t> parse_size(std::string_view text) {
  const std::string_view units = "KMGT";
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  std::string_view unit = text.substr(static_cast<size_t>(end - text.data()));
  unsigned shift = 0;
  if (!unit.empty()) {
    const size_t at =
        units.find(unit.front() >= 'a' ? static_cast<char>(unit.front() - 32) : unit.front());
    if (at != std::string_view::npos) shift = static_cast<unsigned>(at + 1) * 10;
    unit.remove_prefix(1);
  }
  const bool known = unit.empty() || unit == "iB";
  const bool has_unit = static_cast<size_t>(end - text.data()) < text.size();
  const auto size = checked_mul<uint64_t>(number, uint64_t{1} << shift);
  if (error != std::errc{} || !known || (has_unit && shift == 0) || !size) {
    return fail(ErrorKind::kInvalidArgument,
                "'{}' is no number of bytes; write for instance 512M, 10G or 2T", text);
  }
  return *size;
}

std::string size_text(uint64_t bytes) {
  constexpr std::array<std::string_view, 7> kUnits = {"bytes", "KiB", "MiB", "GiB",
                                                      "TiB",   "PiB", "EiB"};
  auto value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  if (unit == 0) return fmt::format("{} bytes", bytes);
  const bool whole = value == static_cast<double>(static_cast<uint64_t>(value));
  return fmt::format("{:.{}f} {}", value, whole ? 0 : 1, kUnits[unit]);
}

}  // namespace viridian::vhd::tool
