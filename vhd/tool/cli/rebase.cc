#include "vhd/tool/rebase.h"

#include "vhd/tool/cli/commands.h"

namespace viridian::vhd::tool {

void add_rebase(CommandLine& line) {
  auto [app, command] = line.add("rebase", "Give a differencing image another parent", run_rebase);
  app.footer(
      "The disk keeps its content: what the new parent has differently is copied into the image\n"
      "first. A cut on the way leaves the old parent or the new one, and the content whole.\n"
      "Examples:\n"
      "  vhdtool rebase today.vhd base.vhd              skip the images between the two\n"
      "  vhdtool rebase --unsafe today.vhd other.vhd    only record it: the content may change");
  app.add_option("image", command.path, "The differencing image")->required();
  app.add_option("new-parent", command.parent, "The image that it builds on from now on")
      ->required();
  app.add_flag("--unsafe", command.unsafe,
               "Copy nothing: for a parent that is known to have the same content");
  add_choice(app, "--parent-format", command.parent_format, kFormats, "Format of the new parent");
  add_policy(app, command.policy);
  add_json(app, command.json);
}

void add_relink(CommandLine& line) {
  auto [app, command] =
      line.add("relink", "Record where a differencing image's parent is now", run_relink);
  app.footer(
      "For a parent that was moved or renamed: it has to be the one whose id the image records.\n"
      "Without a place, the one where the image finds it is recorded: relative to the image, and\n"
      "absolute.\n"
      "Examples:\n"
      "  vhdtool relink today.vhd ../base/disk.vhd\n"
      "  vhdtool relink today.vhd");
  app.add_option("image", command.path, "The differencing image")->required();
  app.add_option("parent", command.parent, "Where its parent is");
  app.add_flag("--allow-parent-outside", command.policy.allow_parent_outside,
               "Follow parents out of their child's folder: only for images that you trust");
  app.add_flag("--ignore-parent-id", command.policy.ignore_parent_mismatch,
               "Take a parent although its id is not the recorded one: the data may make no sense");
  add_json(app, command.json);
}

}  // namespace viridian::vhd::tool
