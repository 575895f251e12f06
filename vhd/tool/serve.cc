// vhdtool serve and mount: nbdkit with this project's plugin, and nbdfuse on it. Both programs take
// this process's place.
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <vector>

#include "vhd/chain.h"
#include "vhd/children.h"
#include "vhd/tool/commands.h"
#include "vhd/tool/json.h"

namespace viridian::vhd::tool {
namespace {

using Arguments = std::vector<std::string>;

// Beside this program, as it was built or installed; else where nbdkit itself looks.
std::string plugin() {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  const auto path = self.parent_path() / ".." / VIRIDIAN_PLUGIN_DIR / "nbdkit-viridian-plugin.so";
  if (!error && std::filesystem::exists(path, error)) {
    return std::filesystem::weakly_canonical(path, error).string();
  }
  return "viridian";
}

std::string_view text_of(Format format) {
  return format == Format::kVhd ? "vhd" : format == Format::kRaw ? "raw" : "auto";
}

void add_image(const ServeCommand& command, Arguments& arguments) {
  if (command.read_only) arguments.emplace_back("--readonly");
  arguments.push_back(plugin());
  arguments.push_back("file=" + command.image);
  arguments.push_back(fmt::format("format={}", text_of(command.policy.format)));
  arguments.push_back(fmt::format("cache={}", command.direct ? "none" : "writeback"));
  if (command.read_only) arguments.emplace_back("readonly=true");
  if (command.policy.write_parent) arguments.emplace_back("write-parent=true");
  if (command.policy.allow_parent_outside) arguments.emplace_back("allow-parent-outside=true");
  if (!command.policy.parent_override.empty()) {
    arguments.push_back("parent=" + command.policy.parent_override);
  }
}

Result<void> become(const Arguments& arguments, const char* package) {
  std::vector<char*> pointers;
  for (const std::string& one : arguments)
    pointers.push_back(const_cast<char*>(one.c_str()));  // execvp() does not write to them
  pointers.push_back(nullptr);
  std::fflush(stdout);
  ::execvp(pointers[0], pointers.data());
  if (errno == ENOENT) {
    return fail(ErrorKind::kUnsupported, "{}: is not installed; install the package {}",
                arguments[0], package);
  }
  return fail_errno(arguments[0], errno);
}

// What is wrong with the image is said here, in one line, and not by the other program.
Result<void> check_image(const ServeCommand& command) {
  const auto chain = open_chain(command.image, Access::kReadOnly, command.policy);
  if (!chain) return Unexpected(chain.error());
  if (command.read_only) return {};
  if (!chain->front().image.read_only) {
    return command.policy.write_parent ? Result<void>() : refuse_parent(command.image);
  }
  return fail(ErrorKind::kInvalidArgument, "{}: opens for reading only; add --read-only",
              command.image);
}

std::string default_socket(const std::string& image) {
  return std::filesystem::absolute(image).string() + ".sock";
}

}  // namespace

Result<void> run_serve(const ServeCommand& command) {
  VIRIDIAN_TRY(check_image(command));
  Arguments arguments = {"nbdkit", "--foreground"};
  std::string uri;
  if (command.port != 0) {
    arguments.insert(arguments.end(),
                     {"--ipaddr", command.address, "--port", std::to_string(command.port)});
    uri = fmt::format("nbd://{}:{}", command.address, command.port);
  } else {
    const std::string socket = command.socket.empty()
                                   ? default_socket(command.image)
                                   : std::filesystem::absolute(command.socket).string();
    arguments.insert(arguments.end(), {"--unix", socket});
    uri = "nbd+unix:///?socket=" + socket;
  }
  add_image(command, arguments);
  if (command.json) {
    print(Json{{"schema", kJsonSchema}, {"image", command.image}, {"uri", uri}});
  } else {
    fmt::print("{}\n", uri);
  }
  return become(arguments, "nbdkit");
}

Result<void> run_mount(const ServeCommand& command) {
  VIRIDIAN_TRY(check_image(command));
  std::error_code error;
  const bool folder = std::filesystem::is_directory(command.mount_point, error);
  Arguments arguments = {"nbdfuse"};
  if (command.read_only) arguments.emplace_back("--readonly");
  arguments.push_back(folder ? command.mount_point + "/disk.img" : command.mount_point);
  arguments.insert(arguments.end(), {"[", "nbdkit", "--exit-with-parent"});
  add_image(command, arguments);
  arguments.emplace_back("]");
  return become(arguments, "nbdfuse");
}

}  // namespace viridian::vhd::tool
