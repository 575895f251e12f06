#include "vhd/tool/cli/command_line.h"

#include "vhd/tool/cli/command_docs.h"
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

Sizes are bytes, or end in K, M, G or T (powers of 1024).)";

const Choices<Compat> kCompats = {{"hyperv", Compat::kHyperV}, {"vpc2007", Compat::kVpc2007},
                                  {"xen", Compat::kXen},       {"qemu9", Compat::kQemu9},
                                  {"azure", Compat::kAzure},   {"any", Compat::kOwn}};

std::string check_size(std::string& text) {
  const auto size = parse_size(text);
  if (!size) return size.error().message;
  text = std::to_string(*size);
  return {};
}

}  // namespace

const Choices<SizeRule> kSizeRules = {{"auto", SizeRule::kAuto},
                                      {"current", SizeRule::kCurrentSize},
                                      {"geometry", SizeRule::kGeometry}};
const Choices<Format> kFormats = {
    {"auto", Format::kAuto}, {"vhd", Format::kVhd}, {"raw", Format::kRaw}};

CommandLine::CommandLine() : app_(kAbout, "vhdtool") {
  app_.formatter(help_formatter());
  app_.footer(kFooter);
  app_.require_subcommand(1);
  app_.set_version_flag("--version", "vhdtool " VIRIDIAN_VERSION);
}

CLI::Validator size_validator() { return {check_size, "SIZE"}; }

void add_policy(CLI::App& app, OpenPolicy& policy) {
  add_choice(app, "--format", policy.format, kFormats,
             "Format of the image: auto goes by its name (.vhd, .avhd, .vud), never by its bytes");
  app.add_option("--parent", policy.parent_override,
                 "The parent of a differencing image, instead of the one it names");
  app.add_flag("--allow-parent,--allow-parent-outside", policy.allow_parent_outside,
               "Follow parents out of their child's folder: only for images that you trust");
  app.add_flag("--ignore-parent-id", policy.ignore_parent_mismatch,
               "Take a parent although its id is not the recorded one: the data may make no sense");
  add_choice(app, "--size-from", policy.size_rule, kSizeRules,
             "Which field of the footer is the disk's size; auto knows who means which");
}

void add_write_parent(CLI::App& app, OpenPolicy& policy) {
  app.add_flag("--write-parent", policy.write_parent,
               "Write although another image in the folder has this one as its parent: that one is "
               "damaged by it");
}

void add_new_image(CLI::App& app, CreateOptions& options) {
  app.add_option("--block-size", options.block_size,
                 "Bytes of each block of a growing image; Windows takes 2M only")
      ->transform(size_validator());
  add_choice(app, "--compat", options.compat, kCompats,
             "Whom the image is for: its marks, layout and size as that program has them");
  app.add_flag("--force", options.replace, "Replace an existing file");
}

void add_json(CLI::App& app, bool& json) {
  app.add_flag("--json", json, "Print the result as JSON");
}

}  // namespace viridian::vhd::tool
