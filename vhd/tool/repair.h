// vhdtool repair: mends what vhd/repair.h can mend, or says what it would do.
#pragma once

#include <string>

#include "vhd/image.h"
#include "vhd/repair.h"

namespace viridian::vhd::tool {

struct RepairCommand {
  std::string path;
  OpenPolicy policy;
  RepairChoices choices;
  bool dry_run = false;
  std::string backup;  // not empty: the new file that gets the bytes that are replaced
  std::string undo;    // not empty: such a file, to be put back; nothing else is done
  bool json = false;
};
// Fails, and has written nothing, if a flaw cannot be mended.
Result<void> run_repair(const RepairCommand& command);

}  // namespace viridian::vhd::tool
