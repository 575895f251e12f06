// vhdtool's commands that rewrite images in place. Each leaves whole images when it fails, is
// interrupted or killed, and goes on where it was when it is started again.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "vhd/image.h"

namespace viridian::vhd::tool {

struct ResizeCommand {
  std::string path;
  uint64_t size_bytes = 0;
  bool shrink = false;  // allow data behind the new end to be lost
  bool force = false;   // although other images have this one as their parent
  OpenPolicy policy;
  bool json = false;
};
Result<void> run_resize(const ResizeCommand& command);

struct CompactCommand {
  std::string path;
  OpenPolicy policy;
  bool json = false;
};
Result<void> run_compact(const CompactCommand& command);

struct CommitCommand {
  std::string path;
  std::string into;           // an ancestor; empty: the parent
  bool keep = false;          // the child's blocks, which the parent holds then too
  bool delete_after = false;  // the child, and what lies between it and the ancestor
  bool force = false;         // although other images have a changed one as their parent
  OpenPolicy policy;
  bool json = false;
};
Result<void> run_commit(const CommitCommand& command);

}  // namespace viridian::vhd::tool
