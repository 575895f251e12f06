#include "vhd/tool/cli/commands.h"
#include "vhd/tool/commands.h"

namespace viridian::vhd::tool {
namespace {

void add_validate(CommandLine& line, CLI::App& group) {
  auto [app, command] = line.add("validate", "Tell whether Azure takes an image, rule by rule",
                                 run_azure_validate, &group);
  app.footer(
      "Exit code 1 if a rule is broken.\n"
      "Example:\n"
      "  vhdtool azure validate disk.vhd");
  app.add_option("image", command.path, "The image")->required();
  add_json(app, command.json);
}

// What make and stream share: a conversion to what Azure takes.
void set_up(CLI::App& app, ConvertCommand& command) {
  command.type = ImageType::kFixed;
  command.options.compat = Compat::kAzure;
  app.add_option("source", command.source, "The image to read, of any kind; '-' is a raw disk")
      ->required();
  add_policy(app, command.policy);
  add_json(app, command.json);
}

void add_make(CommandLine& line, CLI::App& group) {
  auto [app, command] = line.add("make", "Make an image that Azure takes", run_convert, &group);
  app.footer(
      "Examples:\n"
      "  vhdtool azure make today.vhd upload.vhd\n"
      "  vhdtool azure make --in-place disk.img upload.vhd      no copy, only a footer");
  set_up(app, command);
  app.add_option("target", command.target, "The new file")->required();
  app.add_flag("--in-place", command.in_place,
               "Make a raw disk itself the image: its size is rounded up and a footer added");
  app.add_flag("--force", command.options.replace, "Replace an existing file");
  app.add_flag("--direct", command.direct, "Do not fill the host's page cache");
}

void add_stream(CommandLine& line, CLI::App& group) {
  auto [app, command] =
      line.add("stream", "Write an image that Azure takes to standard output", run_convert, &group);
  app.footer(
      "Example:\n"
      "  vhdtool azure stream today.vhd | azcopy copy ... --from-to PipeBlob");
  set_up(app, command);
  command.target = "-";
}

}  // namespace

void add_azure(CommandLine& line) {
  CLI::App& group = line.add_group("azure", "Images for Azure: fixed, and of whole MiB");
  group.footer(
      "Examples:\n"
      "  vhdtool azure validate disk.vhd\n"
      "  vhdtool azure make today.vhd upload.vhd\n"
      "  vhdtool azure make --in-place disk.img upload.vhd      no copy, only a footer\n"
      "  vhdtool azure stream today.vhd | azcopy copy ... --from-to PipeBlob");
  add_validate(line, group);
  add_make(line, group);
  add_stream(line, group);
}

}  // namespace viridian::vhd::tool
