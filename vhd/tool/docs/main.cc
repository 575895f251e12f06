// vhdtool-docs man|bash|zsh: prints vhdtool's man page or a completion, made of the declarations in
// cli/. Runs in the build; not installed.
#include <cstdio>
#include <cstring>

#include "vhd/tool/cli/commands.h"
#include "vhd/tool/docs/generated.h"

namespace tool = viridian::vhd::tool;

int main(int argc, char** argv) {
  tool::CommandLine line;
  tool::add_commands(line);
  const tool::CommandDocs program = tool::docs_of(line.app());
  const char* what = argc == 2 ? argv[1] : "";
  if (std::strcmp(what, "man") == 0) {
    std::fputs(tool::man_page(program).c_str(), stdout);
  } else if (std::strcmp(what, "bash") == 0) {
    std::fputs(tool::bash_completion(program).c_str(), stdout);
  } else if (std::strcmp(what, "zsh") == 0) {
    std::fputs(tool::zsh_completion(program).c_str(), stdout);
  } else {
    std::fputs("usage: vhdtool-docs man|bash|zsh\n", stderr);
    return 2;
  }
  return std::fflush(stdout) == 0 ? 0 : 1;
}
