#include "vhd/tool/compare.h"

#include "vhd/tool/cli/commands.h"

namespace viridian::vhd::tool {

void add_compare(CommandLine& line) {
  auto [app, command] =
      line.add("compare", "Tell whether two images are the same disk", run_compare);
  app.footer(
      "Formats and parents do not matter, only what a guest would read. What both have as a hole "
      "is\n"
      "not read. Exit code 1 if the disks differ; a larger disk that ends in zeroes does not.\n"
      "Examples:\n"
      "  vhdtool compare today.vhd flat.vhd\n"
      "  vhdtool compare --all disk.vhd disk.img        every range that differs: start, length");
  app.add_option("first", command.first, "An image")->required();
  app.add_option("second", command.second, "Another one")->required();
  app.add_flag("--all", command.all, "List all ranges that differ, in whole sectors");
  app.add_flag("--strict", command.strict, "Disks of different sizes differ");
  add_choice(app, "--format", command.first_policy.format, kFormats, "Format of the first image");
  add_choice(app, "--second-format", command.second_policy.format, kFormats,
             "Format of the second image");
  app.add_flag_callback(
      "--allow-parent-outside",
      [&policies = command] {
        policies.first_policy.allow_parent_outside = true;
        policies.second_policy.allow_parent_outside = true;
      },
      "Follow parents out of their child's folder: only for images that you trust");
  add_json(app, command.json);
}

}  // namespace viridian::vhd::tool
