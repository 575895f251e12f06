// JSON objects of vhdtool: names in images may be any bytes, so printing must not throw on them.
#pragma once

#include <cstdio>
#include <nlohmann/json.hpp>

namespace viridian::vhd::tool {

using Json = nlohmann::ordered_json;

constexpr int kJsonSchema = 1;

inline void print(const Json& json, std::FILE* to = stdout) {
  const std::string text = json.dump(2, ' ', false, Json::error_handler_t::replace);
  std::fputs((text + "\n").c_str(), to);
}

}  // namespace viridian::vhd::tool
