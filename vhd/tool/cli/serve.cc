#include "vhd/tool/cli/commands.h"
#include "vhd/tool/commands.h"

namespace viridian::vhd::tool {
namespace {

void add_shared(CLI::App& app, ServeCommand& command) {
  app.add_flag("--read-only", command.read_only, "Let nobody write; others may read it meanwhile");
  app.add_flag("--direct", command.direct, "Do not use the host's page cache");
  add_choice(app, "--format", command.policy.format, kFormats, "Format of the image");
  app.add_option("--parent", command.policy.parent_override,
                 "The parent of a differencing image, instead of the one it names");
  add_write_parent(app, command.policy);
  app.add_flag("--allow-parent,--allow-parent-outside", command.policy.allow_parent_outside,
               "Follow parents out of their child's folder: only for images that you trust");
}

}  // namespace

void add_serve(CommandLine& line) {
  auto [app, command] = line.add("serve", "Serve a disk to NBD clients", run_serve);
  app.footer(
      "Prints the address and serves until it is stopped with Ctrl-C. Without options clients of\n"
      "this host reach it by a socket beside the image, IMAGE.sock. Needs nbdkit.\n"
      "Examples:\n"
      "  vhdtool serve today.vhd &  nbdcopy 'nbd+unix:///?socket=today.vhd.sock' out.img\n"
      "  vhdtool serve --read-only --port 10809 disk.vhd");
  app.add_option("image", command.image, "The image")->required();
  auto* socket = app.add_option("--socket", command.socket, "Path of the socket");
  auto* port = app.add_option("--port", command.port, "Serve by TCP, at this port");
  socket->excludes(port);
  app.add_option("--address", command.address,
                 "and at this address; others than this host's own "
                 "are reachable by anybody")
      ->needs(port);
  add_shared(app, command);
  add_json(app, command.json);
}

void add_mount(CommandLine& line) {
  auto [app, command] = line.add("mount", "Show a disk as a file", run_mount);
  app.footer(
      "The disk is the file 'disk.img' in the folder, or the existing file that is named, until\n"
      "'fusermount3 -u' or Ctrl-C. Needs nbdkit and nbdfuse.\n"
      "Example:\n"
      "  vhdtool mount --read-only today.vhd /mnt/disk &  fdisk -l /mnt/disk/disk.img");
  app.add_option("image", command.image, "The image")->required();
  app.add_option("mount-point", command.mount_point, "An empty folder, or a file")->required();
  add_shared(app, command);
}

}  // namespace viridian::vhd::tool
