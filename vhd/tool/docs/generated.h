// Texts that are made of the command line's declarations at build time; see main.cc.
#pragma once

#include <string>

#include "vhd/tool/cli/command_docs.h"

namespace viridian::vhd::tool {

std::string man_page(const CommandDocs& program);         // man(7)
std::string bash_completion(const CommandDocs& program);  // needs no bash-completion
std::string zsh_completion(const CommandDocs& program);   // a file for a folder of $fpath

// Calls visit(command) for the program and all that is below it.
template <class Visit>
void for_each(const CommandDocs& command, Visit&& visit) {
  visit(command);
  for (const CommandDocs& one : command.commands)
    for_each(one, visit);
}

}  // namespace viridian::vhd::tool
