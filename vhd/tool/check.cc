// vhdtool check: reads an image, and its parents, and reports all that is wrong with them.
#include <fcntl.h>

#include <algorithm>
#include <cerrno>

#include "vhd/chain.h"
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

// What load_image() finds. True if the image can be looked into further.
Result<bool> check_metadata(const CheckCommand& command, std::vector<Finding>& findings) {
  const UniqueFd fd(::open(command.path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd) return fail_errno(command.path, errno);
  std::vector<Problem> problems;
  const auto image = load_image(fd.get(), command.path, command.policy, &problems);
  for (const Problem& one : problems)
    findings.push_back({Severity::kError, command.path, one.field, one.offset, one.text});
  if (image) return true;
  if (problems.empty()) return Unexpected(image.error());  // not the image's fault
  return false;
}

Result<void> check_chain(const CheckCommand& command, std::vector<Finding>& findings) {
  const auto chain = open_chain(command.path, Access::kReadOnly, command.policy);
  if (!chain) {
    findings.push_back({Severity::kError, command.path, "parent", 0, chain.error().message});
    return {};
  }
  for (const ChainLink& link : *chain) {
    for (const std::string& warning : link.image.warnings)
      findings.push_back({Severity::kWarning, link.path, "image", 0, warning});
    VIRIDIAN_TRY(check_blocks(link, findings));
  }
  return {};
}

void print_findings(const CheckCommand& command, const std::vector<Finding>& findings, bool sound) {
  if (command.json) {
    Json list = Json::array();
    for (const Finding& one : findings) {
      list.push_back({{"severity", text_of(one.severity)},
                      {"image", one.image},
                      {"field", one.field},
                      {"offset", one.offset},
                      {"text", one.text}});
    }
    print(Json{
        {"schema", kJsonSchema}, {"path", command.path}, {"sound", sound}, {"findings", list}});
    return;
  }
  for (const Finding& one : findings) {
    fmt::print("{}: {}: {} (offset {:#x}): {}\n", text_of(one.severity), quote(one.image),
               one.field, one.offset, one.text);
  }
  if (sound) fmt::print("{}: sound\n", command.path);
}

}  // namespace

Result<void> run_check(const CheckCommand& command) {
  VIRIDIAN_TRY(refuse_if_written(command.path));
  std::vector<Finding> findings;
  const auto readable = check_metadata(command, findings);
  if (!readable) return Unexpected(readable.error());
  if (*readable) VIRIDIAN_TRY(check_chain(command, findings));
  const auto errors = std::count_if(findings.begin(), findings.end(), [](const Finding& one) {
    return one.severity == Severity::kError;
  });
  const bool sound = errors == 0;
  print_findings(command, findings, sound);
  if (!sound) {
    return fail(ErrorKind::kCorrupt, "{}: {} error{} found; restore the image from a good copy",
                command.path, errors, errors == 1 ? "" : "s");
  }
  return {};
}

}  // namespace viridian::vhd::tool
