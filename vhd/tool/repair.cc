#include "vhd/tool/repair.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>

#include "io/unique_fd.h"
#include "io/uring_file.h"
#include "vhd/lock.h"
#include "vhd/text.h"
#include "vhd/tool/json.h"
#include "vhd/tool/undo.h"

namespace viridian::vhd::tool {
namespace {

constexpr size_t kBytesShown = 8;

std::string hex(std::span<const std::byte> bytes) {
  std::string text;
  for (std::byte byte : bytes)
    text += fmt::format("{:02x}", std::to_integer<unsigned>(byte));
  return text;
}

std::string_view text_of(Cure cure) {
  switch (cure) {
    case Cure::kRepair:
      return "repair";
    case Cure::kChoice:
      return "choice";
    case Cure::kNone:
      break;
  }
  return "none";
}

Json json_of(const RepairCommand& command, const RepairPlan& plan, bool written) {
  Json flaws = Json::array();
  for (const Flaw& one : plan.flaws) {
    flaws.push_back({{"name", one.name},
                     {"field", one.field},
                     {"offset", one.offset},
                     {"text", one.text},
                     {"cure", text_of(one.cure)},
                     {"advice", one.advice}});
  }
  Json changes = Json::array();
  for (const Change& one : plan.changes) {
    Json json = {{"name", one.name}, {"field", one.field}};
    if (one.after.empty()) {
      json["new_size_bytes"] = one.offset;
    } else {
      json["offset"] = one.offset;
      json["old"] = hex(one.before);
      json["new"] = hex(one.after);
    }
    json["meaning"] = one.meaning;
    changes.push_back(std::move(json));
  }
  return {{"schema", kJsonSchema},
          {"path", command.path},
          {"mendable", plan.obstacle() == nullptr},
          {"written", written},
          {"size_before_bytes", plan.size_before},
          {"size_after_bytes", plan.size_after},
          {"flaws", flaws},
          {"changes", changes}};
}

// The bytes that change, a few of them: "+64: 0000 -> ffff".
std::string difference(const Change& change) {
  if (change.after.empty()) return fmt::format("the file gets {} bytes", change.offset);
  const size_t common = std::min(change.before.size(), change.after.size());
  size_t first = 0;
  while (first < common && change.before[first] == change.after[first])
    ++first;
  const auto piece = [&](const std::vector<std::byte>& bytes) {
    const auto rest = std::span(bytes).subspan(std::min(first, bytes.size()));
    if (rest.empty()) return std::string("nothing");
    return hex(rest.first(std::min(rest.size(), kBytesShown))) +
           (rest.size() > kBytesShown ? ".." : "");
  };
  return fmt::format("byte {} of {}: {} -> {}", first, change.after.size(), piece(change.before),
                     piece(change.after));
}

void print_plan(const RepairCommand& command, const RepairPlan& plan, bool written) {
  if (command.json) return print(json_of(command, plan, written));
  for (const Flaw& one : plan.flaws) {
    fmt::print("{}: {}: {} (offset {:#x}): {}{}{}\n", one.cure == Cure::kRepair ? "flaw" : "error",
               one.name, one.field, one.offset, one.text, one.advice.empty() ? "" : "; ",
               one.advice);
  }
  if (plan.obstacle() != nullptr) return;
  const char* verb = written ? "changed" : "would change";
  for (const Change& one : plan.changes) {
    fmt::print("{}: {} (offset {:#x}) for {}: {}\n    {}\n", verb, one.field, one.offset, one.name,
               one.meaning, difference(one));
  }
}

Unexpected refused(const RepairCommand& command, const Flaw& flaw) {
  return fail(ErrorKind::kCorrupt, "{}: {}: {}; nothing was written; {}", command.path, flaw.field,
              flaw.text, flaw.advice);
}

bool changes_size(const RepairPlan& plan) { return plan.size_after != plan.size_before; }

Result<void> apply(const RepairCommand& command, UniqueFd fd, const FileView& file,
                   const RepairPlan& plan) {
  if (file.is_block_device && changes_size(plan)) {
    return fail(ErrorKind::kUnsupported,
                "{}: size: the repair needs a file of {} bytes, and a device has {}; copy it to a "
                "file first",
                command.path, plan.size_after, plan.size_before);
  }
  if (!command.backup.empty()) VIRIDIAN_TRY(save_undo(command.backup, file, plan));
  const auto reactor = io::Reactor::create();
  if (!reactor) return Unexpected(reactor.error());
  const auto target = io::UringFile::adopt(**reactor, std::move(fd), command.path,
                                           {false, io::CacheMode::kWriteback});
  if (!target) return Unexpected(target.error());
  VIRIDIAN_TRY(apply_repair(**target, plan));
  const auto changed = view_file((*target)->fd(), command.path);
  if (!changed) return Unexpected(changed.error());
  const auto again = plan_repair(*changed, command.policy, command.choices);
  if (!again) return Unexpected(again.error());
  if (again->flaws.empty()) return {};
  return fail(ErrorKind::kCorrupt, "{}: {}: {} is left after the repair; run it again",
              command.path, again->flaws.front().field, again->flaws.front().name);
}

Result<void> undo(const RepairCommand& command, const FileView& file) {
  VIRIDIAN_TRY(put_back(command.undo, file));
  if (command.json) {
    print(Json{{"schema", kJsonSchema}, {"path", command.path}, {"undone", true}});
  } else {
    fmt::print("{}: as it was before the repair\n", command.path);
  }
  return {};
}

}  // namespace

Result<void> run_repair(const RepairCommand& command) {
  const int access = command.dry_run ? O_RDONLY : O_RDWR;
  UniqueFd fd(::open(command.path.c_str(), access | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd) return fail_errno(command.path, errno);
  const auto lock =
      ImageLock::take(fd.get(), command.path, command.dry_run ? LockMode::kRead : LockMode::kWrite);
  if (!lock) return Unexpected(lock.error());
  const auto file = view_file(fd.get(), command.path);
  if (!file) return Unexpected(file.error());
  if (!command.undo.empty()) return undo(command, *file);
  const auto plan = plan_repair(*file, command.policy, command.choices);
  if (!plan) return Unexpected(plan.error());
  if (const Flaw* flaw = plan->obstacle(); flaw != nullptr) {
    print_plan(command, *plan, false);
    return refused(command, *flaw);
  }
  const bool write = !command.dry_run && !plan->changes.empty();
  if (write) VIRIDIAN_TRY(apply(command, std::move(fd), *file, *plan));
  print_plan(command, *plan, write);
  if (command.json) return {};
  if (plan->changes.empty()) {
    fmt::print("{}: nothing to mend\n", command.path);
  } else {
    fmt::print("{}: {} by {} change{}\n", command.path,
               write ? "mended" : "nothing was written; it would be mended", plan->changes.size(),
               plan->changes.size() == 1 ? "" : "s");
  }
  return {};
}

}  // namespace viridian::vhd::tool
