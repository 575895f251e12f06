#include "vhd/tool/cli/commands.h"
#include "vhd/tool/commands.h"

namespace viridian::vhd::tool {

void add_info(CommandLine& line) {
  auto [app, command] = line.add("info", "Show what an image says of itself", run_info);
  app.footer(
      "Examples:\n"
      "  vhdtool info disk.vhd\n"
      "  vhdtool info --chain --json today.vhd");
  app.add_option("image", command.path, "The image")->required();
  app.add_flag("--chain", command.chain, "Show its parents too");
  add_policy(app, command.policy);
  add_json(app, command.json);
}

}  // namespace viridian::vhd::tool
