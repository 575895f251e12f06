// Frames, drop reasons and explanations between people and the switch. Any thread.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "vswitch/control/fields.h"
#include "vswitch/explanation.h"

namespace viridian::vswitch {

// The frame of a request: `frame` in hexadecimal digits, or `source`, `destination` and `ethertype`
// of one that is filled up with zeroes.
std::vector<uint8_t> read_frame(Fields& fields);

DropReason parse_reason(std::string_view name);  // kNone: it is not one
std::string all_reasons();

// With ports by name.
Json to_json(const Explanation& told, const std::function<std::string(PortId)>& name_of_port);

}  // namespace viridian::vswitch
