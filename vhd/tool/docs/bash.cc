#include "vhd/tool/docs/generated.h"

namespace viridian::vhd::tool {
namespace {

std::string last_word(const std::string& name) { return name.substr(name.rfind(' ') + 1); }

std::string option_names(const CommandDocs& command) {
  std::string words;
  for (const OptionDocs& option : command.options) {
    for (const std::string& name : option.names)
      words += (words.empty() ? "" : " ") + name;
  }
  return words;
}

std::string command_names(const CommandDocs& command) {
  std::string words;
  for (const CommandDocs& one : command.commands)
    words += (words.empty() ? "" : " ") + last_word(one.name);
  return words;
}

}  // namespace

std::string bash_completion(const CommandDocs& program) {
  std::string known, values, options, commands;
  for_each(program, [&](const CommandDocs& command) {
    const std::string quoted = "'" + command.name + "'";
    if (!command.name.empty()) known += (known.empty() ? "" : "|") + quoted;
    options += "      " + quoted + ") words='" + option_names(command) + "' ;;\n";
    if (!command.commands.empty()) {
      commands += "      " + quoted + ") words='" + command_names(command) + "' ;;\n";
    }
    for (const OptionDocs& option : command.options) {
      if (option.choices.empty()) continue;
      for (const std::string& name : option.names) {
        values += "    '" + command.name + " " + name + "') words='";
        for (const std::string& choice : option.choices)
          values += choice + " ";
        values += "' ;;\n";
      }
    }
  });
  // What is neither an option, a choice nor a command is a file: bash completes it by itself.
  return R"(# Completion of vhdtool for bash.
_vhdtool() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
  local command= words= longer i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; ++i)); do
    longer="$command${command:+ }${COMP_WORDS[i]}"
    case "$longer" in
      )" +
         known +
         R"() command=$longer ;;
    esac
  done
  case "$command $previous" in
)" + values +
         R"(  esac
  if [[ -z $words && $current == -* ]]; then
    case "$command" in
)" + options +
         R"(    esac
  elif [[ -z $words ]]; then
    case "$command" in
)" + commands +
         R"(    esac
  fi
  if [[ -n $words ]]; then
    compopt +o default 2> /dev/null
    COMPREPLY=($(compgen -W "$words" -- "$current"))
  fi
}
complete -o default -F _vhdtool vhdtool
)";
}

}  // namespace viridian::vhd::tool
