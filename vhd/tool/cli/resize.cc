#include "vhd/tool/cli/commands.h"
#include "vhd/tool/rewrite_commands.h"

namespace viridian::vhd::tool {

void add_resize(CommandLine& line) {
  auto [app, command] = line.add("resize", "Give a disk another size, in place", run_resize);
  app.footer(
      "The partitions and file systems on the disk stay as they are: grow them afterwards, shrink\n"
      "them before. Nothing is copied but the few blocks that are in the way of a longer table. A\n"
      "cut at any moment leaves the old disk or the new one.\n"
      "Examples:\n"
      "  vhdtool resize disk.vhd 200G\n"
      "  vhdtool resize --shrink disk.vhd 20G      what is behind 20 GiB is lost");
  app.add_option("image", command.path, "The image")->required();
  app.add_option("size", command.size_bytes, "New size of the disk, for instance 200G")
      ->required()
      ->transform(size_validator());
  app.add_flag("--shrink", command.shrink, "Cut off data behind the new end");
  app.add_flag("--force", command.force, "Although other images have this one as their parent");
  add_policy(app, command.policy);
  add_json(app, command.json);
}

}  // namespace viridian::vhd::tool
