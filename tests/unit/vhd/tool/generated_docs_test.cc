#include <gtest/gtest.h>

#include "vhd/tool/cli/commands.h"
#include "vhd/tool/docs/generated.h"

namespace viridian::vhd::tool {
namespace {

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// A program with whatever is awkward in a man page or a shell.
struct Awkward {
  Awkward() {
    CLI::App* sub = app.add_subcommand("blob", "Don't [really]: 50 % \\ done");
    sub->footer(".hidden? no\nExample:\n  tool blob 'x'");
    sub->add_option("-s,--size", size, "It's a size")->check(CLI::Validator("SIZE"));
    sub->add_option("--mode", mode, "One of two")->check(CLI::IsMember({"fast", "slow"}));
    sub->add_flag("--deep{false}", deep, "A flag");
    sub->add_option("--secret", mode, "Not shown")->group("");
    sub->add_option("files", files, "Some files")->required();
    sub->add_subcommand("inner", "Below another");
  }
  CLI::App app{"About", "tool"};
  uint64_t size = 0;
  bool deep = true;
  std::string mode;
  std::vector<std::string> files;
};

TEST(CommandDocs, SayWhatAnOptionTakes) {
  Awkward awkward;
  const CommandDocs blob = docs_of(awkward.app).commands.at(0);
  EXPECT_EQ(blob.name, "blob");
  EXPECT_EQ(blob.commands.at(0).name, "blob inner");
  EXPECT_EQ(blob.positionals.at(0).names, std::vector<std::string>{"files"});
  EXPECT_TRUE(blob.positionals.at(0).repeats && blob.positionals.at(0).required);
  std::map<std::string, OptionDocs> options;
  for (const OptionDocs& one : blob.options)
    options[one.names.back()] = one;
  EXPECT_EQ(options.count("--secret"), 0u);
  EXPECT_EQ(options.at("--size").value, "SIZE");
  EXPECT_EQ(options.at("--size").names.front(), "-s");
  EXPECT_EQ(options.at("--mode").choices, (std::vector<std::string>{"fast", "slow"}));
  EXPECT_EQ(options.at("--deep").value, "");
  EXPECT_EQ(synopsis(blob), "blob COMMAND [OPTIONS] files...");
}

TEST(CommandDocs, HelpIsWrappedAndNamesTheChoices) {
  Awkward awkward;
  CLI::App app{"About", "tool"};
  app.formatter(help_formatter());
  std::string text;
  for (int i = 0; i < 40; ++i)
    text += "word ";
  app.add_option("--mode", awkward.mode, text)->check(CLI::IsMember({"fast", "slow"}));
  const std::string help = app.help();
  EXPECT_TRUE(contains(help, "--mode fast|slow"));
  EXPECT_TRUE(contains(help, "\nExit codes: 0 done; 1 "));
  std::istringstream lines(help);
  for (std::string line; std::getline(lines, line);)
    EXPECT_LE(line.size(), 80u) << line;
}

TEST(ManPage, EscapesWhatIsARequestOrAnEscape) {
  Awkward awkward;
  const std::string page = man_page(docs_of(awkward.app));
  EXPECT_TRUE(contains(page, "\n\\&.hidden? no\n"));
  EXPECT_TRUE(contains(page, "Don\\(aqt [really]: 50 % \\e done"));
  EXPECT_TRUE(contains(page, "\\fB\\-s\\fR, \\fB\\-\\-size\\fR \\fISIZE\\fR"));
  EXPECT_FALSE(contains(page, "secret"));
}

TEST(Completions, QuoteWhatTheShellWouldRead) {
  Awkward awkward;
  const CommandDocs program = docs_of(awkward.app);
  const std::string zsh = zsh_completion(program);
  EXPECT_TRUE(contains(zsh, "'blob:Don'\\''t [really]\\: 50 % \\\\ done'"));
  EXPECT_TRUE(contains(zsh, "'--mode[One of two]:value:(fast slow )'"));
  EXPECT_TRUE(contains(zsh, "'*:files:_files'"));
  EXPECT_TRUE(contains(bash_completion(program), "'blob --mode') words='fast slow '"));
}

TEST(ManPage, KnowsEachCommandAndOptionOfTheTool) {
  CommandLine line;
  add_commands(line);
  const CommandDocs program = docs_of(line.app());
  const std::string page = man_page(program);
  const std::string bash = bash_completion(program);
  size_t options = 0;
  for_each(program, [&](const CommandDocs& command) {
    EXPECT_FALSE(command.text.empty()) << command.name;
    EXPECT_TRUE(command.name.empty() || contains(page, ".SS " + command.name + "\n"));
    // Help that teaches: whatever can be run has an example.
    if (command.commands.empty()) {
      EXPECT_TRUE(contains(command.footer, "  vhdtool " + command.name)) << command.name;
    }
    for (const OptionDocs& option : command.options) {
      ++options;
      EXPECT_FALSE(option.text.empty()) << command.name << " " << option.names.back();
      EXPECT_TRUE(contains(bash, option.names.back()));
    }
  });
  EXPECT_GT(options, 20u);
}

}  // namespace
}  // namespace viridian::vhd::tool
