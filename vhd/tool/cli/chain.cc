#include "vhd/tool/chain_tree.h"
#include "vhd/tool/cli/commands.h"

namespace viridian::vhd::tool {

void add_chain(CommandLine& line) {
  auto [app, command] =
      line.add("chain", "Show the tree of a folder's images: who is whose parent", run_chain);
  app.footer(
      "Finds children without their parent, loops, ids that two images have, parents that moved\n"
      "and parents that were written after their child was made. Exit code 1 if there are any.\n"
      "Links, devices and FIFOs are not followed.\n"
      "Examples:\n"
      "  vhdtool chain\n"
      "  vhdtool chain --recursive --json /srv/disks");
  app.add_option("folder", command.folder, "The folder with the images; without it, this one");
  app.add_flag("--recursive", command.options.recursive, "The folders in it too");
  add_json(app, command.json);
}

}  // namespace viridian::vhd::tool
