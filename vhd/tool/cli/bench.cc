#include "vhd/tool/cli/commands.h"
#include "vhd/tool/commands.h"

namespace viridian::vhd::tool {
namespace {

const Choices<bool> kPatterns = {{"rand", true}, {"seq", false}};

}  // namespace

void add_bench(CommandLine& line) {
  auto [app, command] = line.add(
      "bench", "Measure how fast a disk is, beside raw io_uring on the same file", run_bench);
  app.footer(
      "The image is only read. With --write, a scratch disk of 256M is made in the image's "
      "folder,\n"
      "overwritten, and removed. Engine and raw io_uring take turns with the same requests; a "
      "ratio\n"
      "of 1.00 means that the format costs nothing. Other work on the machine moves single "
      "figures:\n"
      "look at the range that is printed beside the ratio. Blocks that an image does not have are\n"
      "read at once, without the disk: measure an image that is full, or expect ratios far above "
      "1.\n"
      "Examples:\n"
      "  vhdtool bench disk.vhd                                4K at random, 32 at a time\n"
      "  vhdtool bench disk.vhd --pattern seq --block 1M --depth 8\n"
      "  vhdtool bench disk.vhd --depth 1 --seconds 10         the time of a single request\n"
      "  vhdtool bench disk.vhd --write --json                 what this file system can take");
  app.add_option("image", command.image, "The image; it is not written")->required();
  add_choice(app, "--pattern", command.is_random, kPatterns, "rand (the default) or seq");
  app.add_option("--block", command.bytes, "Bytes of each request")->transform(size_validator());
  app.add_option("--depth", command.depth, "Requests in progress at a time, 1 to 256");
  auto* seconds = app.add_option("--seconds", command.seconds, "How long to measure, in all");
  app.add_option("--count", command.count, "Instead: how many requests each side makes")
      ->excludes(seconds);
  app.add_flag("--write", command.write, "Overwrite a scratch disk in the image's folder");
  add_policy(app, command.policy);
  add_json(app, command.json);
}

}  // namespace viridian::vhd::tool
