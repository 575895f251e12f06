#include "vhd/tool/repair.h"

#include "vhd/tool/cli/commands.h"

namespace viridian::vhd::tool {
namespace {

const Choices<FooterChoice> kFooters = {{"last", FooterChoice::kLast},
                                        {"copy", FooterChoice::kCopy}};
const Choices<SharedChoice> kShared = {{"first", SharedChoice::kFirst},
                                       {"last", SharedChoice::kLast}};

}  // namespace

void add_repair(CommandLine& line) {
  auto [app, command] = line.add("repair", "Mend the metadata of a damaged image", run_repair);
  app.footer(
      "Mends lost, cut, poisoned and wrong footers, checksums, table entries that lead out of the\n"
      "file or into metadata, a last block that is cut short, data behind the end and Xen's block\n"
      "map. Writes nothing unless everything that is wrong can be mended; a cut on the way leaves\n"
      "a file that another repair mends. What takes a decision is left to you, with an option.\n"
      "Parents are not looked at: repair each image of a chain by itself.\n"
      "Examples:\n"
      "  vhdtool repair --dry-run disk.vhd              each change, with old and new bytes\n"
      "  vhdtool repair --backup disk.undo disk.vhd     keep the bytes that are replaced\n"
      "  vhdtool repair --undo disk.undo disk.vhd       and put them back\n"
      "  vhdtool repair --shared first disk.vhd         of two entries the first keeps the block");
  app.add_option("image", command.path, "The image")->required();
  auto* dry_run = app.add_flag("--dry-run", command.dry_run, "Print the changes, write nothing");
  auto* backup =
      app.add_option("--backup", command.backup, "Save the bytes that change in this new file");
  app.add_option("--undo", command.undo, "Put back the bytes from this file, and do nothing else")
      ->excludes(dry_run)
      ->excludes(backup);
  add_choice(app, "--footer", command.choices.footer, kFooters,
             "Of two good footers that differ, the one that counts");
  add_choice(app, "--shared", command.choices.shared, kShared,
             "Of two table entries with one block, the one (by number) that keeps it");
  app.add_flag("--cut-tail", command.choices.cut_tail,
               "Cut off what follows the footer of a fixed disk");
  add_choice(app, "--size-from", command.policy.size_rule, kSizeRules,
             "Which field of the footer is the disk's size; auto knows who means which");
  add_json(app, command.json);
}

}  // namespace viridian::vhd::tool
