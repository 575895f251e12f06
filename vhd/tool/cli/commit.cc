#include "vhd/tool/cli/commands.h"
#include "vhd/tool/rewrite_commands.h"

namespace viridian::vhd::tool {

void add_commit(CommandLine& line) {
  auto [app, command] =
      line.add("commit", "Merge a differencing image into its parent", run_commit);
  app.footer(
      "The parent then reads as the image does now, and grows if it is smaller. The image stays\n"
      "valid and is emptied, ready to be written again, unless --keep or --delete says otherwise.\n"
      "Until the parent is durable nothing of the image is touched: after a kill or a power cut "
      "the\n"
      "image reads as before; start the command again and it finishes.\n"
      "With --into an ancestor, the images between are merged too; they, and the image, are kept\n"
      "unless --delete is given, and only the image and the ancestor make sense then.\n"
      "Examples:\n"
      "  vhdtool commit today.vhd\n"
      "  vhdtool commit --delete today.vhd\n"
      "  vhdtool commit --into base.vhd --delete today.vhd");
  app.add_option("image", command.path, "The differencing image")->required();
  app.add_option("--into", command.into, "Merge down to this ancestor instead of the parent");
  auto* keep = app.add_flag("--keep", command.keep, "Leave the image's blocks in it");
  app.add_flag("--delete", command.delete_after, "Delete the image, and those between, at the end")
      ->excludes(keep);
  app.add_flag("--force", command.force,
               "Although other images depend on one that changes: they are lost");
  add_policy(app, command.policy);
  add_json(app, command.json);
}

}  // namespace viridian::vhd::tool
