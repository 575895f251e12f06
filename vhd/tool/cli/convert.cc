#include "vhd/tool/cli/commands.h"
#include "vhd/tool/commands.h"

namespace viridian::vhd::tool {
namespace {

const Choices<ImageType> kTypes = {
    {"dynamic", ImageType::kDynamic}, {"fixed", ImageType::kFixed}, {"raw", ImageType::kRaw}};

}  // namespace

void add_convert(CommandLine& line) {
  auto [app, command] =
      line.add("convert", "Copy a disk into a new image of any kind", run_convert);
  app.footer(
      "A differencing image is read with its parents: the new image needs none. Zeroes take no\n"
      "space in the new image. It has its name only once it is complete.\n"
      "Examples:\n"
      "  vhdtool convert disk.img disk.vhd\n"
      "  vhdtool convert --to raw today.vhd disk.img\n"
      "  vhdtool convert --in-place --to fixed disk.img disk.vhd     adds the footer, copies "
      "nothing\n"
      "  vhdtool convert --to raw today.vhd - | zstd > disk.zst\n"
      "  zstdcat disk.zst | vhdtool convert --size 20G - disk.vhd\n"
      "  vhdtool convert disk.qcow2 disk.vhd\n"
      "  vhdtool convert nbd://server/export disk.vhd\n"
      "'-' is standard input or output: a raw disk comes in, a raw or fixed image goes out.\n"
      "qcow2, vmdk, vhdx and vdi files are read through qemu-nbd, with the backing files that lie\n"
      "in their folder.");
  app.add_option("source", command.source, "The image to read, or an NBD server's URI")->required();
  app.add_option("target", command.target, "The new file")->required();
  app.add_option("--from", command.from,
                 "Format of the source that qemu-nbd reads: qcow2, vmdk, vhdx ...; without it, by "
                 "the name's ending");
  add_choice(app, "--to", command.type, kTypes, "Kind of the new image");
  app.add_option("--size", command.options.size_bytes, "What standard input will give, in bytes")
      ->transform(size_validator());
  app.add_flag("--in-place", command.in_place,
               "Make the source itself the target: raw to fixed or back, by its footer alone");
  add_new_image(app, command.options);
  app.add_flag("--direct", command.direct, "Do not fill the host's page cache");
  app.add_flag(
      "!--no-sync", command.sync,
      "Do not wait until the new image is on the disk: a power cut may leave a part of it");
  add_write_parent(app, command.policy);
  add_policy(app, command.policy);
  add_json(app, command.json);
}

}  // namespace viridian::vhd::tool
