// The command line of vhdtool: what its commands share. Each command declares itself in a file of
// its own beside this one; commands.h lists them, and main.cc runs the one that was chosen.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/result.h"
#include "vhd/create.h"
#include "vhd/image.h"

namespace viridian::vhd::tool {

// The program's options, and the work of the command that was chosen, once it has been parsed.
class CommandLine {
 public:
  CommandLine();

  CLI::App& app() noexcept { return app_; }

  // A new command: its parser, and where its options go. `work` does the command's work.
  template <class Options>
  struct Added {
    CLI::App& parser;
    Options& options;
  };
  template <class Options>
  Added<Options> add(const char* name, const char* description,
                     Result<void> (*work)(const Options&), CLI::App* group = nullptr) {
    CLI::App* parser = (group != nullptr ? *group : app_).add_subcommand(name, description);
    parser->group("Commands");
    auto options = std::make_shared<Options>();
    parser->callback(
        [this, work, options] { chosen_ = [work, options] { return work(*options); }; });
    return {*parser, *options};
  }

  // A command that is a word before other commands, which are added with it as their group.
  CLI::App& add_group(const char* name, const char* description) {
    CLI::App* group = app_.add_subcommand(name, description);
    group->group("Commands");
    group->require_subcommand(1);
    return *group;
  }

  // The work of the chosen command; parsing demands that there is one.
  Result<void> run() const { return chosen_(); }

 private:
  CLI::App app_;
  std::function<Result<void>()> chosen_;
};

// The name of a choice, and what it stands for.
template <class Value>
using Choices = std::map<std::string, Value>;

extern const Choices<Format> kFormats;
extern const Choices<SizeRule> kSizeRules;

// A size in bytes, as a number or with K, M, G or T.
CLI::Validator size_validator();

// Not CLI11's own way with enumerations: it finds our to_string() and stumbles over it.
template <class Value>
void add_choice(CLI::App& app, const char* name, Value& value, const Choices<Value>& choices,
                const char* description) {
  app.add_option_function<std::string>(
         name, [&value, choices](const std::string& text) { value = choices.at(text); },
         description)
      ->check(CLI::IsMember(choices));
}

// How an existing image is opened.
void add_policy(CLI::App& app, OpenPolicy& policy);
// For commands that write to an image that is there already (vhd/children.h).
void add_write_parent(CLI::App& app, OpenPolicy& policy);
// How a new image is made.
void add_new_image(CLI::App& app, CreateOptions& options);
void add_json(CLI::App& app, bool& json);

}  // namespace viridian::vhd::tool
