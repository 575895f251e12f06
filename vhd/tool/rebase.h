// vhdtool rebase and relink: another parent for a differencing image, or another place of the same.
#pragma once

#include <string>

#include "vhd/image.h"

namespace viridian::vhd::tool {

struct RebaseCommand {
  std::string path;
  std::string parent;
  OpenPolicy policy;  // for the old parents
  Format parent_format = Format::kAuto;
  bool unsafe = false;  // record the new parent, and copy nothing
  bool json = false;
};
// The disk keeps its content: what the new parent has differently is copied into the image first.
Result<void> run_rebase(const RebaseCommand& command);

struct RelinkCommand {
  std::string path;
  std::string parent;  // empty: where the image finds it now
  OpenPolicy policy;
  bool json = false;
};
// kMismatch if the parent is not the recorded one.
Result<void> run_relink(const RelinkCommand& command);

}  // namespace viridian::vhd::tool
