#include "vhd/tool/cli/commands.h"
#include "vhd/tool/commands.h"

namespace viridian::vhd::tool {
namespace {

const Choices<ImageType> kTypes = {
    {"dynamic", ImageType::kDynamic}, {"fixed", ImageType::kFixed}, {"raw", ImageType::kRaw}};

}  // namespace

void add_measure(CommandLine& line) {
  auto [app, command] =
      line.add("measure", "Tell how large a converted image would be", run_measure);
  app.footer(
      "The required size is exact: that of the file which 'convert' with the same options makes.\n"
      "Examples:\n"
      "  vhdtool measure disk.img\n"
      "  vhdtool measure --to fixed --compat azure today.vhd\n"
      "  vhdtool measure --size 2T                      an empty dynamic disk, and a full one");
  auto* source = app.add_option("source", command.source, "The image to read");
  auto* size = app.add_option("--size", command.options.size_bytes, "An empty disk of this size")
                   ->transform(size_validator());
  source->excludes(size);
  app.add_option("--from", command.from, "Format of the source that qemu-nbd reads, as of convert");
  add_choice(app, "--to", command.type, kTypes, "Kind of the new image");
  add_new_image(app, command.options);
  add_policy(app, command.policy);
  add_json(app, command.json);
}

}  // namespace viridian::vhd::tool
