// Answers of the control socket as tables for people. Any thread.
#pragma once

#include <string>

#include "vswitch/control/fields.h"

namespace viridian::vswitch {

std::string switches_table(const Json& shown);  // of `show`
std::string macs_table(const Json& macs);
std::string watch_table(const Json& watched);  // one line for each port

}  // namespace viridian::vswitch
