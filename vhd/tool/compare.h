// vhdtool compare: whether two images are the same disk, whatever their formats and parents.
#pragma once

#include <string>

#include "vhd/image.h"

namespace viridian::vhd::tool {

struct CompareCommand {
  std::string first;
  std::string second;
  OpenPolicy first_policy;
  OpenPolicy second_policy;
  bool all = false;     // list every range that differs
  bool strict = false;  // disks of different sizes differ, whatever is in the tail
  bool json = false;
};
// Fails if the disks differ.
Result<void> run_compare(const CompareCommand& command);

}  // namespace viridian::vhd::tool
