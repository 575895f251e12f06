// vhdtool: makes, shows, checks and converts disk images. The command line only; each command is a
// function of commands.h.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <map>

#include "vhd/tool/commands.h"
#include "vhd/tool/interrupt.h"
#include "vhd/tool/size_text.h"

namespace viridian::vhd::tool {
namespace {

constexpr const char* kAbout =
    "Makes, shows, checks and converts VHD disk images: fixed, dynamic and differencing ones,\n"
    "as Hyper-V, Virtual PC, Azure and Xen use them, and raw images.";

constexpr const char* kFooter = R"(Examples:
  vhdtool create disk.vhd 20G                    an empty disk that grows as it is written
  vhdtool create --type fixed disk.vhd 20G       one that has its full size at once
  vhdtool snapshot disk.vhd today.vhd            a child that keeps what changes from now on
  vhdtool info today.vhd                         what an image says of itself, and of its parent
  vhdtool check today.vhd                        is it sound, with all its parents?
  vhdtool convert today.vhd flat.vhd             the disk as one image without parents
  vhdtool convert --to raw disk.vhd disk.img     and as a plain file

Sizes are bytes, or end in K, M, G or T (powers of 1024).
Exit codes: 0 done; 1 failed, or check found damage; 2 wrong command line; 3 image in use.
'vhdtool COMMAND --help' says more.)";

const std::map<std::string, Format> kFormats = {
    {"auto", Format::kAuto}, {"vhd", Format::kVhd}, {"raw", Format::kRaw}};
const std::map<std::string, SizeRule> kSizeRules = {{"auto", SizeRule::kAuto},
                                                    {"current", SizeRule::kCurrentSize},
                                                    {"geometry", SizeRule::kGeometry}};
const std::map<std::string, ImageType> kVhdTypes = {{"dynamic", ImageType::kDynamic},
                                                    {"fixed", ImageType::kFixed}};
const std::map<std::string, ImageType> kTargetTypes = {
    {"dynamic", ImageType::kDynamic}, {"fixed", ImageType::kFixed}, {"raw", ImageType::kRaw}};

std::string check_size(std::string& text) {
  const auto size = parse_size(text);
  if (!size) return size.error().message;
  text = std::to_string(*size);
  return {};
}
const CLI::Validator kSize(check_size, "SIZE");

// Not CLI11's own way with enumerations: it finds our to_string() and stumbles over it.
template <class Value>
void add_choice(CLI::App& app, const char* name, Value& value,
                const std::map<std::string, Value>& choices, const char* description) {
  app.add_option_function<std::string>(
         name, [&](const std::string& text) { value = choices.at(text); }, description)
      ->check(CLI::IsMember(choices));
}

void add_policy(CLI::App& app, OpenPolicy& policy) {
  add_choice(app, "--format", policy.format, kFormats,
             "Format of the image: auto goes by its name (.vhd, .avhd, .vud), never by its bytes");
  app.add_option("--parent", policy.parent_override,
                 "The parent of a differencing image, instead of the one it names");
  app.add_flag("--allow-parent-outside", policy.allow_parent_outside,
               "Follow parents out of their child's folder: only for images that you trust");
  app.add_flag("--ignore-parent-id", policy.ignore_parent_mismatch,
               "Take a parent although its id is not the recorded one: the data may make no sense");
  add_choice(app, "--size-from", policy.size_rule, kSizeRules,
             "Which field of the footer is the disk's size; auto knows who means which");
}

void add_new_image(CLI::App& app, CreateOptions& options) {
  app.add_option("--block-size", options.block_size,
                 "Bytes of each block of a growing image; Windows takes 2M only")
      ->transform(kSize);
  app.add_flag("--force", options.replace, "Replace an existing file");
}

struct Commands {
  CreateCommand create;
  CreateCommand snapshot;
  InfoCommand info;
  ConvertCommand convert;
  CheckCommand check;
};

void add_create(CLI::App& app, CreateCommand& command) {
  CLI::App* sub = app.add_subcommand("create", "Make an empty image");
  sub->footer(
      "Examples:\n"
      "  vhdtool create disk.vhd 20G\n"
      "  vhdtool create --type fixed --preallocate disk.vhd 1T\n"
      "  vhdtool create --parent base.vhd child.vhd      the same as: snapshot base.vhd child.vhd");
  sub->add_option("image", command.path, "The new file")->required();
  sub->add_option("size", command.options.size_bytes, "Size of the disk, for instance 20G")
      ->transform(kSize);
  add_choice(*sub, "--type", command.type, kVhdTypes, "Kind of image");
  sub->add_option("--parent", command.parent, "Make a differencing image on this one");
  sub->add_flag("--allow-parent-outside", command.policy.allow_parent_outside,
                "Let the parent's own parents be outside its folder");
  sub->add_flag("--preallocate", command.options.preallocate, "Reserve a fixed image's space now");
  add_new_image(*sub, command.options);
  sub->add_flag("--json", command.json, "Print the result as JSON");
}

void add_snapshot(CLI::App& app, CreateCommand& command) {
  CLI::App* sub = app.add_subcommand("snapshot", "Make a differencing image on another image");
  sub->footer(
      "The child reads as its parent until it is written. Do not write the parent from then on.\n"
      "Example:\n"
      "  vhdtool snapshot disk.vhd today.vhd");
  sub->add_option("parent", command.parent, "The image to keep as it is")->required();
  sub->add_option("child", command.path, "The new file, best in the parent's folder")->required();
  sub->add_option("--size", command.options.size_bytes, "A larger disk than the parent's")
      ->transform(kSize);
  add_choice(*sub, "--format", command.policy.format, kFormats, "Format of the parent");
  sub->add_flag("--allow-parent-outside", command.policy.allow_parent_outside,
                "Let the parent's own parents be outside its folder");
  add_new_image(*sub, command.options);
  sub->add_flag("--json", command.json, "Print the result as JSON");
}

void add_info(CLI::App& app, InfoCommand& command) {
  CLI::App* sub = app.add_subcommand("info", "Show what an image says of itself");
  sub->footer(
      "Examples:\n"
      "  vhdtool info disk.vhd\n"
      "  vhdtool info --chain --json today.vhd");
  sub->add_option("image", command.path, "The image")->required();
  sub->add_flag("--chain", command.chain, "Show its parents too");
  add_policy(*sub, command.policy);
  sub->add_flag("--json", command.json, "Print the result as JSON");
}

void add_convert(CLI::App& app, ConvertCommand& command) {
  CLI::App* sub = app.add_subcommand("convert", "Copy a disk into a new image of any kind");
  sub->footer(
      "A differencing image is read with its parents: the new image needs none. Zeroes take no\n"
      "space in the new image. It has its name only once it is complete.\n"
      "Examples:\n"
      "  vhdtool convert disk.img disk.vhd\n"
      "  vhdtool convert --to raw today.vhd disk.img\n"
      "  vhdtool convert --to fixed --force disk.vhd azure.vhd");
  sub->add_option("source", command.source, "The image to read")->required();
  sub->add_option("target", command.target, "The new file")->required();
  add_choice(*sub, "--to", command.type, kTargetTypes, "Kind of the new image");
  add_new_image(*sub, command.options);
  sub->add_flag("--direct", command.direct, "Do not fill the host's page cache");
  add_policy(*sub, command.policy);
  sub->add_flag("--json", command.json, "Print the result as JSON");
}

void add_check(CLI::App& app, CheckCommand& command) {
  CLI::App* sub = app.add_subcommand("check", "Look for damage in an image and its parents");
  sub->footer(
      "Reads only. Errors mean that the image cannot be used as it is, warnings that something is\n"
      "unusual, notes that space is wasted. Exit code 1 if there are errors.\n"
      "Example:\n"
      "  vhdtool check --json today.vhd");
  sub->add_option("image", command.path, "The image")->required();
  add_policy(*sub, command.policy);
  sub->add_flag("--json", command.json, "Print the result as JSON");
}

int exit_code(const Error& error) {
  std::fprintf(stderr, "vhdtool: %s\n", error.message.c_str());
  return error.kind == ErrorKind::kLocked ? kExitLocked : kExitFailed;
}

Result<void> run(const CLI::App& app, const Commands& commands) {
  if (app.got_subcommand("create")) return run_create(commands.create);
  if (app.got_subcommand("snapshot")) return run_create(commands.snapshot);
  if (app.got_subcommand("info")) return run_info(commands.info);
  if (app.got_subcommand("convert")) return run_convert(commands.convert);
  return run_check(commands.check);
}

int start(int argc, char** argv) {
  CLI::App app(kAbout, "vhdtool");
  app.footer(kFooter);
  app.require_subcommand(1);
  app.set_version_flag("--version", "vhdtool 0.1.0");
  Commands commands;
  add_create(app, commands.create);
  add_snapshot(app, commands.snapshot);
  add_info(app, commands.info);
  add_convert(app, commands.convert);
  add_check(app, commands.check);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {
    return app.exit(success);  // --help and --version
  } catch (const CLI::ParseError& error) {
    std::fprintf(stderr, "vhdtool: %s; 'vhdtool --help' shows how it is used\n", error.what());
    return kExitUsage;
  }
  catch_interrupts();
  const auto result = run(app, commands);
  return result ? kExitOk : exit_code(result.error());
}

}  // namespace
}  // namespace viridian::vhd::tool

int main(int argc, char** argv) { return viridian::vhd::tool::start(argc, argv); }
