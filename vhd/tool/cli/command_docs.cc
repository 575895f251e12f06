#include "vhd/tool/cli/command_docs.h"

#include <algorithm>
#include <sstream>

#include "vhd/tool/commands.h"

namespace viridian::vhd::tool {
namespace {

constexpr size_t kNameColumns = 28;
constexpr size_t kTextColumns = 50;

std::string join(const std::vector<std::string>& words, const char* between) {
  std::string text;
  for (const std::string& word : words)
    text += (text.empty() ? "" : between) + word;
  return text;
}

// "UINT:SIZE", "TEXT:{auto,raw}": the parser's type, and the name of what checks it.
void set_value(const std::string& type, OptionDocs& docs) {
  const size_t open = type.find('{');
  const size_t close = type.rfind('}');
  if (open != std::string::npos && close != std::string::npos && open < close) {
    std::istringstream list(type.substr(open + 1, close - open - 1));
    for (std::string choice; std::getline(list, choice, ',');)
      docs.choices.push_back(choice);
    docs.value = join(docs.choices, "|");
    return;
  }
  const size_t colon = type.rfind(':');
  docs.value = colon == std::string::npos ? type : type.substr(colon + 1);
  if (docs.value == "TEXT") docs.value = "VALUE";
  if (docs.value == "UINT" || docs.value == "INT") docs.value = "NUMBER";
}

std::string wrap(const std::string& text, size_t columns) {
  std::istringstream words(text);
  std::string result;
  size_t used = 0;
  for (std::string word; words >> word;) {
    if (used > 0 && used + 1 + word.size() > columns) {
      result += '\n';
      used = 0;
    } else if (used > 0) {
      result += ' ';
      ++used;
    }
    result += word;
    used += word.size();
  }
  return result;
}

class HelpFormatter final : public CLI::Formatter {
 public:
  HelpFormatter() {
    column_width(kNameColumns);
    label("SUBCOMMAND", "COMMAND");
    label("Subcommands", "Commands");
    label("Positionals", "Arguments");
  }
  std::string make_option_name(const CLI::Option* option, bool) const override {
    return join(docs_of(*option).names, ", ");
  }
  std::string make_option_opts(const CLI::Option* option) const override {
    if (option->get_positional()) return option->get_required() ? "" : " (optional)";
    const OptionDocs docs = docs_of(*option);
    return docs.value.empty() ? "" : " " + docs.value;
  }
  std::string make_option_desc(const CLI::Option* option) const override {
    const OptionDocs docs = docs_of(*option);
    const bool choices = option->get_positional() && !docs.choices.empty();
    return wrap(choices ? docs.text + ": " + docs.value : docs.text, kTextColumns);
  }
  std::string make_footer(const CLI::App* app) const override {
    if (app->get_parent() != nullptr) return CLI::Formatter::make_footer(app);
    std::string codes;
    for (const ExitCodeText& one : kExitCodes)
      codes += fmt::format("{}{} {}", codes.empty() ? "" : "; ", one.code, one.text);
    return app->get_footer() + "\n" + wrap("Exit codes: " + codes + ".", 78) +
           "\n'vhdtool COMMAND --help' says more; so does 'man vhdtool'.\n";
  }
  std::string make_usage(const CLI::App* app, std::string name) const override {
    const CommandDocs docs = docs_of(*app);
    return "\nUsage: " + (name.empty() ? "" : name) + synopsis(docs) + "\n";
  }
};

}  // namespace

OptionDocs docs_of(const CLI::Option& option) {
  OptionDocs docs;
  if (option.get_positional()) docs.names.push_back(option.get_name(true, false));
  for (const std::string& name : option.get_snames())
    docs.names.push_back("-" + name);
  for (const std::string& name : option.get_lnames())
    docs.names.push_back("--" + name);
  if (option.get_positional() || option.get_items_expected_max() > 0) {
    set_value(option.get_type_name(), docs);
  }
  docs.text = option.get_description();
  docs.required = option.get_required();
  docs.repeats = option.get_items_expected_max() >= CLI::detail::expected_max_vector_size;
  return docs;
}

CommandDocs docs_of(const CLI::App& app, const std::string& name) {
  CommandDocs docs;
  docs.name = name;
  docs.text = app.get_description();
  docs.footer = app.get_footer();
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_group().empty()) continue;  // hidden
    (option->get_positional() ? docs.positionals : docs.options).push_back(docs_of(*option));
  }
  const auto shown = [](const CLI::App* command) { return !command->get_group().empty(); };
  for (const CLI::App* command : app.get_subcommands(shown)) {
    const std::string prefix = name.empty() ? "" : name + " ";
    docs.commands.push_back(docs_of(*command, prefix + command->get_name()));
  }
  return docs;
}

std::string synopsis(const CommandDocs& command) {
  std::string text = command.name;
  if (!command.commands.empty()) text += " COMMAND";
  if (!command.options.empty()) text += " [OPTIONS]";
  for (const OptionDocs& one : command.positionals) {
    std::string name = one.names.front() + (one.repeats ? "..." : "");
    text += one.required ? " " + name : " [" + name + "]";
  }
  return text;
}

std::shared_ptr<CLI::FormatterBase> help_formatter() { return std::make_shared<HelpFormatter>(); }

}  // namespace viridian::vhd::tool
