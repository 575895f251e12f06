#include "vhd/tool/cli/commands.h"
#include "vhd/tool/map_command.h"

namespace viridian::vhd::tool {

void add_map(CommandLine& line) {
  auto [app, command] =
      line.add("map", "Show which image of a chain each part of a disk comes from", run_map);
  app.footer(
      "Draws a row for each image, darker where more of the disk comes from it. Whole blocks,\n"
      "known from the tables alone; --sectors looks into the blocks' bitmaps.\n"
      "Examples:\n"
      "  vhdtool map today.vhd\n"
      "  vhdtool map --list --sectors today.vhd         each extent, and its place in its file\n"
      "  vhdtool map --json --split today.vhd           one extent for each piece of a file\n"
      "  vhdtool map --svg today.svg today.vhd");
  app.add_option("image", command.path, "The image")->required();
  app.add_flag("--sectors", command.options.sectors, "To the sector, by the blocks' bitmaps");
  app.add_flag("--split", command.options.split,
               "End an extent where it is not contiguous in its file");
  app.add_flag("--alone", command.alone, "This image only, without its parents");
  app.add_flag("--list", command.list, "A list of extents instead of a picture");
  app.add_option("--svg", command.svg, "Draw the picture into this file too, replacing it");
  add_policy(app, command.policy);
  add_json(app, command.json);
}

}  // namespace viridian::vhd::tool
