// What the command line says of itself, as data: for --help, the man page and the completions of
// shells. All of them are made of the declarations in cli/, so none can fall behind.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

namespace viridian::vhd::tool {

struct OptionDocs {
  std::vector<std::string> names;    // "--to"; of a positional its name
  std::string value;                 // "SIZE"; empty: a flag
  std::vector<std::string> choices;  // of the value, if it is one of a few
  std::string text;
  bool required = false;
  bool repeats = false;
};

struct CommandDocs {
  std::string name;  // with that of the command above it: "azure make"; empty: the program's
  std::string text;
  std::string footer;
  std::vector<OptionDocs> positionals;
  std::vector<OptionDocs> options;
  std::vector<CommandDocs> commands;
};

OptionDocs docs_of(const CLI::Option& option);
CommandDocs docs_of(const CLI::App& app, const std::string& name = {});

// "create [OPTIONS] image [size]"
std::string synopsis(const CommandDocs& command);

// --help in the words of OptionDocs, wrapped for a terminal of 80 columns.
std::shared_ptr<CLI::FormatterBase> help_formatter();

}  // namespace viridian::vhd::tool
