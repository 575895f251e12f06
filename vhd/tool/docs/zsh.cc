#include <fmt/core.h>

#include "vhd/tool/docs/generated.h"

namespace viridian::vhd::tool {
namespace {

// Between single quotes, in a place where `special` characters mean something.
std::string quoted(const std::string& text, const std::string& special) {
  std::string result;
  for (const char c : text) {
    if (c == '\'') {
      result += "'\\''";
      continue;
    }
    if (special.find(c) != std::string::npos) result += '\\';
    result += c == '\n' ? ' ' : c;
  }
  return result;
}

std::string function_name(const CommandDocs& command) {
  std::string name = "_vhdtool";
  if (!command.name.empty()) name += "_" + command.name;
  for (char& c : name) {
    if (c == ' ' || c == '-') c = '_';
  }
  return name;
}

// ":name:action": a value of a few, a size or a file.
std::string value_spec(const OptionDocs& option, const std::string& name) {
  std::string spec = ":" + quoted(name, "\\:") + ":";
  if (!option.choices.empty()) {
    spec += "(";
    for (const std::string& choice : option.choices)
      spec += choice + " ";
    return spec + ")";
  }
  return spec + (option.value == "VALUE" ? "_files" : " ");
}

std::string arguments(const CommandDocs& command) {
  std::string specs;
  for (const OptionDocs& option : command.options) {
    for (const std::string& name : option.names) {
      const std::string star = option.repeats ? "*" : "";
      specs += fmt::format(" \\\n    '{}{}[{}]", star, name, quoted(option.text, "\\[]:"));
      if (!option.value.empty()) specs += value_spec(option, "value");
      specs += "'";
    }
  }
  for (const OptionDocs& one : command.positionals) {
    specs += std::string(" \\\n    '") + (one.repeats ? "*" : "");
    specs += (one.required || one.repeats ? "" : ":") + value_spec(one, one.names.front()) + "'";
  }
  return specs;
}

std::string leaf_function(const CommandDocs& command) {
  return function_name(command) + "() {\n  _arguments" + arguments(command) + "\n}\n\n";
}

// A command that has commands of its own.
std::string group_function(const CommandDocs& command) {
  std::string list, cases;
  for (const CommandDocs& one : command.commands) {
    const std::string name = one.name.substr(one.name.rfind(' ') + 1);
    list += "\n    '" + name + ":" + quoted(one.text, "\\:") + "'";
    cases += "      " + name + ") " + function_name(one) + " ;;\n";
  }
  return function_name(command) + "() {\n" +
         "  local context state state_descr line\n  typeset -A opt_args\n  local -a commands=(" +
         list + "\n  )\n  _arguments -C" + arguments(command) +
         " \\\n    '1: :->command' '*:: :->rest'\n" +
         "  case $state in\n    command) _describe -t commands command commands ;;\n" +
         "    rest) case $words[1] in\n" + cases + "    esac ;;\n  esac\n}\n\n";
}

}  // namespace

std::string zsh_completion(const CommandDocs& program) {
  std::string text = "#compdef vhdtool\n# Completion of vhdtool for zsh.\n\n";
  for_each(program, [&](const CommandDocs& command) {
    text += command.commands.empty() ? leaf_function(command) : group_function(command);
  });
  return text +
         "if [[ $funcstack[1] = _vhdtool ]]; then\n  _vhdtool \"$@\"\nelse\n"
         "  compdef _vhdtool vhdtool\nfi\n";
}

}  // namespace viridian::vhd::tool
