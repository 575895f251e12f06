// Reads the fields of one JSON object that a person or a program wrote. The first thing that makes
// no sense is kept as one line that begins with its path: "switches[0].ports[1].mtu: ...".
//
// Nothing here throws for any JSON value. Any thread.
#pragma once

#include <concepts>
#include <limits>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "vswitch/mac_address.h"

namespace viridian::vswitch {

using Json = nlohmann::ordered_json;  // fields keep their order

template <class E>
using Choices = std::span<const std::pair<std::string_view, E>>;

template <class E>
std::string_view name_of(Choices<E> choices, E value) {
  for (const auto& [name, one] : choices) {
    if (one == value) return name;
  }
  return "";
}

class Fields {
 public:
  // `error` gets the first problem of all that share it.
  Fields(const Json& value, std::string path, std::string& error);

  bool has(std::string_view name) const { return find(name) != nullptr; }
  bool ok() const { return error_.empty(); }

  // Each leaves `value` as it is if there is no such field.
  void text(std::string_view name, std::string& value);
  void flag(std::string_view name, bool& value);
  void address(std::string_view name, MacAddress& value);
  template <std::unsigned_integral T>
  void number(std::string_view name, T& value, uint64_t most = std::numeric_limits<T>::max()) {
    uint64_t wide = value;
    wide_number(name, wide, most);
    value = static_cast<T>(wide);
  }
  template <class E>
  void choice(std::string_view name, E& value, Choices<E> choices) {
    std::string chosen(name_of(choices, value));
    text(name, chosen);
    std::string known;
    for (const auto& [word, meaning] : choices) {
      if (word == chosen) {
        value = meaning;
        return;
      }
      known += (known.empty() ? "" : ", ") + std::string(word);
    }
    fail_at(name, "is \"" + chosen + "\"; known are " + known);
  }
  // Calls read(const Json&, path) for each element of an array.
  template <class Read>
  void list(std::string_view name, Read&& read) {
    const Json* array = array_at(name);
    for (size_t i = 0; array != nullptr && i < array->size() && ok(); ++i)
      read((*array)[i], path_of(name) + "[" + std::to_string(i) + "]");
  }
  // The value as it is; null if there is none.
  const Json* any(std::string_view name);

  void fail_at(std::string_view name, const std::string& problem);
  std::string path_of(std::string_view name) const;

  // To be called last: a field that nobody asked for is a problem.
  void finish();

 private:
  const Json* find(std::string_view name) const;
  const Json* array_at(std::string_view name);
  void wide_number(std::string_view name, uint64_t& value, uint64_t most);

  const Json* object_ = nullptr;
  std::string path_;
  std::string& error_;
  std::vector<std::string> known_;
};

// Reads one JSON text; never more than `kMaxJsonDepth` deep. The error is one line.
constexpr unsigned kMaxJsonDepth = 24;
bool parse_json(std::string_view text, Json& value, std::string& error);

}  // namespace viridian::vswitch
