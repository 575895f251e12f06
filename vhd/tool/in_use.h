// Whether another program uses an image that a command is about to replace or to build on.
#pragma once

#include <string>

#include "base/result.h"

namespace viridian::vhd::tool {

// kLocked if somebody reads or writes the file; a missing file is free.
Result<void> refuse_if_in_use(const std::string& path);
// kLocked if somebody writes it.
Result<void> refuse_if_written(const std::string& path);

}  // namespace viridian::vhd::tool
