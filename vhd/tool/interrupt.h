// Ctrl-C and its like: noted, so that a command can stop and remove what it has half written.
#pragma once

namespace viridian::vhd::tool {

void catch_interrupts();
bool interrupted();

}  // namespace viridian::vhd::tool
