// The values of single fields of the configuration, as the command line and the JSON file write
// them. Each error says what is wrong with the value; the caller puts the field's name before it.
#pragma once

#include <charconv>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"

namespace viridian::vmm {

// All of `text`, in decimal digits.
template <class T>
std::optional<T> parse_number(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// Sets `target` if `value` is one of `choices`. The error has `problem` between value and choices.
template <class T, size_t N>
Result<void> set_choice(T& target, std::string_view value,
                        const std::pair<std::string_view, T> (&choices)[N],
                        std::string_view problem = "is not one of") {
  std::string names;
  for (const auto& [name, choice] : choices) {
    if (name == value) {
      target = choice;
      return {};
    }
    names += fmt::format("{}{}", names.empty() ? "" : ", ", name);
  }
  return fail(ErrorKind::kInvalidArgument, "'{}' {} {}", value, problem, names);
}

// config.cc
Result<void> set_number(unsigned& target, std::string_view value, unsigned least, unsigned most);
// 1 to `most` characters of ASCII, without spaces.
Result<void> set_printable(std::string& target, std::string_view value, size_t most);

}  // namespace viridian::vmm
