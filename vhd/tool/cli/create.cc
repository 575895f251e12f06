#include "vhd/tool/cli/commands.h"
#include "vhd/tool/commands.h"

namespace viridian::vhd::tool {
namespace {

const Choices<ImageType> kTypes = {{"dynamic", ImageType::kDynamic}, {"fixed", ImageType::kFixed}};

// What create and snapshot share.
void add_child(CLI::App& app, CreateCommand& command) {
  app.add_flag("--allow-parent,--allow-parent-outside", command.policy.allow_parent_outside,
               "Let the parent's own parents be outside its folder");
  add_new_image(app, command.options);
  app.add_flag("--sync", command.sync, "Return when the new file would survive a power cut");
  add_json(app, command.json);
}

}  // namespace

void add_create(CommandLine& line) {
  auto [app, command] = line.add("create", "Make an empty image", run_create);
  app.footer(
      "Examples:\n"
      "  vhdtool create disk.vhd 20G\n"
      "  vhdtool create --type fixed --preallocate disk.vhd 1T\n"
      "  vhdtool create --parent base.vhd child.vhd      the same as: snapshot base.vhd child.vhd");
  app.add_option("image", command.path, "The new file")->required();
  app.add_option("size", command.options.size_bytes, "Size of the disk, for instance 20G")
      ->transform(size_validator());
  add_choice(app, "--type", command.type, kTypes, "Kind of image");
  app.add_option("--parent", command.parent, "Make a differencing image on this one");
  app.add_flag("--preallocate", command.options.preallocate, "Reserve a fixed image's space now");
  add_child(app, command);
}

void add_snapshot(CommandLine& line) {
  auto [app, command] =
      line.add("snapshot", "Make a differencing image on another image", run_create);
  app.footer(
      "The child reads as its parent until it is written. Do not write the parent from then on.\n"
      "Example:\n"
      "  vhdtool snapshot disk.vhd today.vhd");
  app.add_option("parent", command.parent, "The image to keep as it is")->required();
  app.add_option("child", command.path, "The new file, best in the parent's folder")->required();
  app.add_option("--size", command.options.size_bytes, "A larger disk than the parent's")
      ->transform(size_validator());
  add_choice(app, "--format", command.policy.format, kFormats, "Format of the parent");
  add_child(app, command);
}

}  // namespace viridian::vhd::tool
