// vhdtool: makes, shows, checks and converts disk images. Each command is declared in cli/, and its
// work is a function of commands.h.
#include <cstdio>

#include "vhd/tool/cli/commands.h"
#include "vhd/tool/commands.h"
#include "vhd/tool/interrupt.h"

namespace viridian::vhd::tool {
namespace {

int exit_code(const Error& error) {
  std::fprintf(stderr, "vhdtool: %s\n", error.message.c_str());
  return error.kind == ErrorKind::kLocked ? kExitLocked : kExitFailed;
}

int start(int argc, char** argv) {
  CommandLine line;
  add_commands(line);
  try {
    line.app().parse(argc, argv);
  } catch (const CLI::Success& success) {
    return line.app().exit(success);  // --help and --version
  } catch (const CLI::ParseError& error) {
    // The parser only says that a command is required.
    const bool unknown = argc > 1 && argv[1][0] != '-' && line.app().get_subcommands().empty();
    const std::string text =
        unknown ? fmt::format("'{}' is no command", argv[1]) : std::string(error.what());
    std::fprintf(stderr, "vhdtool: %s; 'vhdtool --help' shows how it is used\n", text.c_str());
    return kExitUsage;
  }
  catch_interrupts();
  const auto result = line.run();
  return result ? kExitOk : exit_code(result.error());
}

}  // namespace
}  // namespace viridian::vhd::tool

int main(int argc, char** argv) { return viridian::vhd::tool::start(argc, argv); }
