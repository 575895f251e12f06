#include "vhd/tool/cli/commands.h"
#include "vhd/tool/commands.h"

namespace viridian::vhd::tool {
namespace {

const Choices<bool> kDirections = {{"read", false}, {"write", true}};

}  // namespace

void add_dd(CommandLine& line) {
  auto [app, command] = line.add("dd", "Read or write a range of a disk", run_dd);
  app.footer(
      "The file is standard input or output if it is left out or '-'. Offset and length are of "
      "the\n"
      "disk, in whole sectors of 512 bytes. A write is durable when the command returns.\n"
      "Examples:\n"
      "  vhdtool dd read disk.vhd --length 512 | xxd               the master boot record\n"
      "  vhdtool dd write disk.vhd boot.bin --offset 1M\n"
      "  vhdtool dd read old.vhd | vhdtool dd write new.vhd");
  add_choice(app, "direction", command.write, kDirections, "read (out of the image) or write");
  app.get_option("direction")->required();
  app.add_option("image", command.image, "The image")->required();
  app.add_option("file", command.file, "Where the bytes go to or come from");
  app.add_option("--offset", command.offset, "Where on the disk it begins")
      ->transform(size_validator());
  app.add_option("--length", command.length, "How many bytes; without it, all there are")
      ->transform(size_validator());
  app.add_flag("--force", command.replace, "Replace an existing file when reading");
  add_write_parent(app, command.policy);
  add_policy(app, command.policy);
  add_json(app, command.json);
}

}  // namespace viridian::vhd::tool
