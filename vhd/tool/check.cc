// vhdtool check: reads an image, and its parents, and reports all that is wrong with them.
#include <fcntl.h>

#include <algorithm>
#include <cerrno>

#include "vhd/chain.h"
#include "vhd/repair.h"
#include "vhd/text.h"
#include "vhd/tool/check_blocks.h"
#include "vhd/tool/commands.h"
#include "vhd/tool/in_use.h"
#include "vhd/tool/json.h"

namespace viridian::vhd::tool {
namespace {

std::string_view text_of(Severity severity) {
  switch (severity) {
    case Severity::kNote:
      return "note";
    case Severity::kWarning:
      return "warning";
    case Severity::kError:
      break;
  }
  return "error";
}

// What vhdtool repair would find in one image, and maybe mend.
Result<void> check_metadata(const CheckCommand& command, const FileView& file,
                            std::vector<Finding>& findings) {
  const auto plan = plan_repair(file, command.policy);
  if (!plan) return Unexpected(plan.error());
  for (const Flaw& one : plan->flaws) {
    const auto severity = one.harmless ? Severity::kWarning : Severity::kError;
    const char* cure = one.cure == Cure::kRepair ? "repair" : "choice";
    findings.push_back({severity, one.name, file.name, one.field, one.offset, one.text,
                        one.cure == Cure::kNone ? "" : cure});
  }
  return {};
}

// What is not in an image's own bytes, and its blocks.
Result<void> check_link(const ChainLink& link, std::vector<Finding>& findings) {
  for (const std::string& warning : link.image.warnings) {
    if (warning.starts_with("footer: the ") || warning.starts_with("footer: a change")) continue;
    findings.push_back({Severity::kWarning, "image", link.path, "image", 0, warning, {}});
  }
  return check_blocks(link, findings);
}

bool has_errors(const std::vector<Finding>& findings) {
  return std::any_of(findings.begin(), findings.end(),
                     [](const Finding& one) { return one.severity == Severity::kError; });
}

bool is_raw(const CheckCommand& command) {
  return command.policy.format == Format::kRaw ||
         (command.policy.format == Format::kAuto && !has_vhd_name(command.path));
}

Result<void> check_image(const CheckCommand& command, std::vector<Finding>& findings) {
  if (!is_raw(command)) {
    const UniqueFd fd(::open(command.path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    if (!fd) return fail_errno(command.path, errno);
    const auto file = view_file(fd.get(), command.path);
    if (!file) return Unexpected(file.error());
    VIRIDIAN_TRY(check_metadata(command, *file, findings));
  }
  const auto chain = open_chain(command.path, Access::kReadOnly, command.policy);
  if (!chain) {
    if (is_raw(command)) return Unexpected(chain.error());
    // What keeps the image itself from opening has been found above.
    if (open_image(command.path, Access::kReadOnly, command.policy)) {
      findings.push_back(
          {Severity::kError, "parent", command.path, "parent", 0, chain.error().message, {}});
    } else if (!has_errors(findings)) {
      return Unexpected(chain.error());
    }
    return {};
  }
  for (const ChainLink& link : *chain) {
    const auto file = view_file(link.fd.get(), link.path);
    if (!file) return Unexpected(file.error());
    const bool own = &link == &chain->front();
    if (!own && link.image.type != ImageType::kRaw) {
      VIRIDIAN_TRY(check_metadata(command, *file, findings));
    }
    VIRIDIAN_TRY(check_link(link, findings));
  }
  return {};
}

// What a person can do about the errors.
std::string cure_of(const CheckCommand& command, const std::vector<Finding>& findings) {
  bool all_parents = true;
  bool all_mended = true;
  for (const Finding& one : findings) {
    if (one.severity != Severity::kError) continue;
    all_parents &= one.name == "parent";
    all_mended &= !one.cure.empty();
  }
  if (all_parents) return "name its place with --parent, or record it with vhdtool relink";
  if (all_mended) return "vhdtool repair --dry-run " + command.path + " shows how to mend it";
  return "restore the image from a good copy";
}

std::string_view without_prefix(std::string_view text, std::string_view prefix) {
  return text.starts_with(prefix) ? text.substr(prefix.size()) : text;
}

void print_findings(const CheckCommand& command, const std::vector<Finding>& findings, bool sound) {
  if (command.json) {
    Json list = Json::array();
    for (const Finding& one : findings) {
      list.push_back({{"severity", text_of(one.severity)},
                      {"name", one.name},
                      {"image", one.image},
                      {"field", one.field},
                      {"offset", one.offset},
                      {"text", one.text},
                      {"cure", one.cure}});
    }
    print(Json{
        {"schema", kJsonSchema}, {"path", command.path}, {"sound", sound}, {"findings", list}});
    return;
  }
  for (const Finding& one : findings) {
    if (one.field == one.name) {  // of no place in the file
      fmt::print("{}: {}: {}: {}\n", text_of(one.severity), quote(one.image), one.name,
                 without_prefix(one.text, command.path + ": "));
      continue;
    }
    fmt::print("{}: {}: {}: {} (offset {:#x}): {}\n", text_of(one.severity), quote(one.image),
               one.name, one.field, one.offset, one.text);
  }
  if (sound) fmt::print("{}: sound\n", command.path);
}

}  // namespace

Result<void> run_check(const CheckCommand& command) {
  VIRIDIAN_TRY(refuse_if_written(command.path));
  std::vector<Finding> findings;
  VIRIDIAN_TRY(check_image(command, findings));
  const auto errors = std::count_if(findings.begin(), findings.end(), [](const Finding& one) {
    return one.severity == Severity::kError;
  });
  const bool sound = errors == 0;
  print_findings(command, findings, sound);
  if (!sound) {
    return fail(ErrorKind::kCorrupt, "{}: {} error{} found; {}", command.path, errors,
                errors == 1 ? "" : "s", cure_of(command, findings));
  }
  return {};
}

}  // namespace viridian::vhd::tool
