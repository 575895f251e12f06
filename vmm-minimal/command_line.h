// vmm-minimal's command line.
#pragma once

#include <variant>

#include "vmm-minimal/config.h"

namespace viridian::vmm {

// A configuration, or the exit code of a program that has said all it will (--help, an error that
// is printed already).
std::variant<Setup, int> parse_command_line(int argc, char** argv);

constexpr int kExitUsage = 2;

}  // namespace viridian::vmm
