// Makes a raw disk a fixed image, or the other way round, without copying it: a fixed image is the
// disk's bytes and a footer.
#pragma once

#include "vhd/tool/commands.h"

namespace viridian::vhd::tool {

// Adds or cuts off the footer of `command.source` and gives it the name `command.target`. A power
// cut or a kill at any moment leaves every byte of the disk, under one of the two names; doing it
// again goes on (to raw: as Format::kRaw, once the footer is gone).
Result<void> convert_in_place(const ConvertCommand& command);

}  // namespace viridian::vhd::tool
