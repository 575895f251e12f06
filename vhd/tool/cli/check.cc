#include "vhd/tool/cli/commands.h"
#include "vhd/tool/commands.h"

namespace viridian::vhd::tool {

void add_check(CommandLine& line) {
  auto [app, command] = line.add("check", "Look for damage in an image and its parents", run_check);
  app.footer(
      "Reads only. Errors mean that the image cannot be used as it is, warnings that something is\n"
      "unusual, notes that space is wasted. Exit code 1 if there are errors.\n"
      "Example:\n"
      "  vhdtool check --json today.vhd");
  app.add_option("image", command.path, "The image")->required();
  add_policy(app, command.policy);
  add_json(app, command.json);
}

}  // namespace viridian::vhd::tool
