#include "vswitch/control/fields.h"

#include <algorithm>

namespace viridian::vswitch {
namespace {

unsigned depth_of(std::string_view text) {
  unsigned depth = 0;
  unsigned deepest = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      deepest = std::max(deepest, ++depth);
    } else if ((c == '}' || c == ']') && depth > 0) {
      --depth;
    }
  }
  return deepest;
}

}  // namespace

bool parse_json(std::string_view text, Json& value, std::string& error) {
  if (depth_of(text) > kMaxJsonDepth) {
    error = fmt::format("JSON: nested deeper than {} levels", kMaxJsonDepth);
    return false;
  }
  try {
    value = Json::parse(text);
    value.dump();  // finds what is not UTF-8
    return true;
  } catch (const Json::parse_error& problem) {
    error = fmt::format("JSON: it breaks off or makes no sense at byte {}", problem.byte);
  } catch (const Json::exception&) {
    error = "JSON: a number or a text in it cannot be represented";
  }
  return false;
}

Fields::Fields(const Json& value, std::string path, std::string& error)
    : path_(std::move(path)), error_(error) {
  if (value.is_object()) {
    object_ = &value;
  } else if (ok()) {
    error_ = (path_.empty() ? "JSON" : path_) + ": must be an object { }";
  }
}

std::string Fields::path_of(std::string_view name) const {
  return path_.empty() ? std::string(name) : path_ + "." + std::string(name);
}

void Fields::fail_at(std::string_view name, const std::string& problem) {
  if (ok()) error_ = path_of(name) + ": " + problem;
}

const Json* Fields::find(std::string_view name) const {
  if (object_ == nullptr) return nullptr;
  const auto found = object_->find(std::string(name));
  return found == object_->end() ? nullptr : &*found;
}

const Json* Fields::any(std::string_view name) {
  known_.emplace_back(name);
  return find(name);
}

void Fields::text(std::string_view name, std::string& value) {
  const Json* field = any(name);
  if (field == nullptr) return;
  if (!field->is_string()) return fail_at(name, "must be a text");
  value = field->get_ref<const std::string&>();
}

void Fields::flag(std::string_view name, bool& value) {
  const Json* field = any(name);
  if (field == nullptr) return;
  if (!field->is_boolean()) return fail_at(name, "must be true or false");
  value = field->get<bool>();
}

void Fields::address(std::string_view name, MacAddress& value) {
  std::string written;
  text(name, written);
  if (!has(name) || !ok()) return;
  const auto mac = parse_mac(written);
  if (!mac) return fail_at(name, "\"" + written + "\" is not an address such as 00:15:5d:01:02:03");
  value = *mac;
}

void Fields::wide_number(std::string_view name, uint64_t& value, uint64_t most) {
  const Json* field = any(name);
  if (field == nullptr) return;
  if (!field->is_number_unsigned() || field->get<uint64_t>() > most)
    return fail_at(name, fmt::format("must be a number from 0 to {}", most));
  value = field->get<uint64_t>();
}

const Json* Fields::array_at(std::string_view name) {
  const Json* field = any(name);
  if (field != nullptr && !field->is_array()) {
    fail_at(name, "must be a list [ ]");
    return nullptr;
  }
  return field;
}

void Fields::finish() {
  if (object_ == nullptr || !ok()) return;
  for (const auto& [name, value] : object_->items()) {
    if (std::find(known_.begin(), known_.end(), name) != known_.end()) continue;
    std::string known;
    for (const std::string& one : known_)
      known += (known.empty() ? "" : ", ") + one;
    return fail_at(name, "is no field here; known are " + known);
  }
}

}  // namespace viridian::vswitch
