#include "vhd/tool/cli/commands.h"
#include "vhd/tool/rewrite_commands.h"

namespace viridian::vhd::tool {

void add_compact(CommandLine& line) {
  auto [app, command] =
      line.add("compact", "Free the blocks that hold only zeroes, in place", run_compact);
  app.footer(
      "Blocks of zeroes leave the image, those at its end move into the gaps, and the file is "
      "cut.\n"
      "In a differencing image zeroes that hide data of the parent stay. A cut at any moment "
      "leaves\n"
      "the image whole; start the command again and it goes on. Let the guest discard, or fill "
      "its\n"
      "free space with zeroes, before.\n"
      "Example:\n"
      "  vhdtool compact disk.vhd");
  app.add_option("image", command.path, "The image")->required();
  add_policy(app, command.policy);
  add_json(app, command.json);
}

}  // namespace viridian::vhd::tool
