// Access rules, VLAN sets and prefixes as text and JSON. Any thread.
#pragma once

#include <optional>

#include "vswitch/control/fields.h"
#include "vswitch/port_settings.h"

namespace viridian::vswitch {

AclRule parse_rule(const Json& value, const std::string& path, std::string& error);
Json to_json(const AclRule& rule);

// "1-100,200"; nothing if it is anything else.
std::optional<VlanSet> parse_vlans(std::string_view text);
std::string to_text(const VlanSet& vlans);

// The two numbers of "10-20", or one twice.
std::optional<PortRange> parse_range(std::string_view text, uint16_t most = 0xFFFF);

}  // namespace viridian::vswitch
