#include "vhd/repair.h"

#include <algorithm>

#include "base/checked.h"
#include "vhd/limits.h"
#include "vhd/repair_plan.h"

namespace viridian::vhd {
namespace {

constexpr uint64_t kSector = 512;

std::vector<std::byte> copy_of(std::span<const std::byte> bytes) {
  return {bytes.begin(), bytes.end()};
}

void add_resize(RepairPlan& plan, Stage stage, std::string_view name, uint64_t size,
                std::string meaning) {
  plan.size_after = size;
  plan.changes.push_back({stage, name, "file size", size, {}, {}, std::move(meaning)});
}

Result<bool> is_zero(const FileView& file, uint64_t offset) {
  std::array<std::byte, kSector> sector{};
  VIRIDIAN_TRY(read_exact(file, offset, sector, "last sector"));
  return std::all_of(sector.begin(), sector.end(), [](std::byte b) { return b == std::byte{0}; });
}

// Where the last footer belongs, everything before `data_end` being in use.
Result<uint64_t> place_footer(const FileView& file, const FooterCure& footers, uint64_t data_end) {
  if ((footers.last_stands || footers.remains) && footers.last_offset >= data_end) {
    return footers.last_offset;
  }
  // What looks like room for a footer that was never written.
  if (file.size_bytes >= data_end + kSector && is_aligned(file.size_bytes, kSector)) {
    const auto zero = is_zero(file, file.size_bytes - kSector);
    if (!zero) return Unexpected(zero.error());
    if (*zero) return file.size_bytes - kSector;
  }
  return align_up(std::max(file.size_bytes, data_end), kSector);
}

// Adds what makes the footers right, once it is known where blocks end: table may be null.
Result<void> plan_footers(const FileView& file, FooterCure footers, const TableCure* table,
                          RepairPlan& plan) {
  const uint64_t data_end = table != nullptr ? table->data_end : 0;
  const bool cut =
      footers.cut_at && *footers.cut_at >= data_end && (table == nullptr || !table->damaged);
  if (cut) {
    footers.last_offset = *footers.cut_at;
    footers.last_stands = true;
  } else if (footers.cut_at) {
    footers.last_stands = footers.remains = false;  // in the middle of what stays
  }
  const auto place = place_footer(file, footers, data_end);
  if (!place) return Unexpected(place.error());
  if (footers.write_copy) {
    add_change(plan, file,
               {Stage::kCopy,
                footers.copy_name,
                "footer: copy",
                0,
                {},
                copy_of(wire_bytes(footers.footer)),
                "the footer that counts"});
  }
  const bool inside = (footers.last_stands || footers.remains) && footers.last_offset < data_end;
  if (inside) {
    add_change(plan, file,
               {Stage::kOldFooter,
                "block-truncated",
                "footer: last",
                footers.last_offset,
                {},
                std::vector<std::byte>(kSector),
                "what is left of a footer inside a block"});
  }
  if (data_end > file.size_bytes) {
    add_resize(plan, Stage::kGrow, "block-truncated", data_end,
               "the rest of the last block reads as zeroes");
  }
  if (footers.write_last || inside || *place != footers.last_offset) {
    const auto name = footers.last_name.empty() ? "block-truncated" : footers.last_name;
    add_change(plan, file,
               {Stage::kLastFooter,
                name,
                "footer: last",
                *place,
                {},
                copy_of(wire_bytes(footers.footer)),
                "the footer that counts"});
  }
  plan.size_after = std::max(plan.size_after, *place + sizeof(Footer));
  if (cut) {
    add_resize(plan, Stage::kCut, "trailing-data", *place + sizeof(Footer),
               "what follows the last footer is cut off");
  }
  return {};
}

// Looks at the file as it will be.
Result<void> look_at_result(const FileView& file, const OpenPolicy& policy, RepairPlan& plan) {
  std::vector<Patch> patches;
  for (const Change& change : plan.changes) {
    if (!change.after.empty()) patches.push_back({change.offset, change.after});
  }
  FileView view = file;
  std::vector<Problem> problems;
  view.problems = &problems;
  view.patches = &patches;
  view.size_bytes = plan.size_after;
  OpenPolicy as_vhd = policy;
  as_vhd.format = Format::kVhd;
  const auto image = load_image(view, as_vhd);
  if (image) {
    plan.warnings = image->warnings;
    return {};
  }
  if (image.error().kind != ErrorKind::kCorrupt) return Unexpected(image.error());
  for (const Problem& one : problems) {
    const auto known = std::find_if(plan.flaws.begin(), plan.flaws.end(), [&](const Flaw& flaw) {
      return flaw.cure != Cure::kRepair && flaw.offset == one.offset;
    });
    if (known != plan.flaws.end()) continue;
    auto& flaw = add_flaw(plan, "metadata", one.field, one.offset, one.text);
    flaw.cure = Cure::kNone;
    flaw.advice = "restore the image from a good copy";
  }
  return {};
}

}  // namespace

Flaw& add_flaw(RepairPlan& plan, std::string_view name, std::string field, uint64_t offset,
               std::string text) {
  return plan.flaws.emplace_back(
      Flaw{name, std::move(field), offset, std::move(text), Cure::kRepair, {}, false});
}

void add_change(RepairPlan& plan, const FileView& file, Change change) {
  if (change.before.empty()) {
    const uint64_t there = file.size_bytes - std::min(file.size_bytes, change.offset);
    change.before.resize(std::min<uint64_t>(there, change.after.size()));
    if (!read_exact(file, change.offset, change.before, "old bytes")) change.before.clear();
  }
  if (change.before != change.after) plan.changes.push_back(std::move(change));
}

const Flaw* RepairPlan::obstacle() const {
  const auto found = std::find_if(flaws.begin(), flaws.end(),
                                  [](const Flaw& flaw) { return flaw.cure != Cure::kRepair; });
  return found == flaws.end() ? nullptr : &*found;
}

Result<RepairPlan> plan_repair(const FileView& file, const OpenPolicy& policy,
                               const RepairChoices& choices) {
  RepairPlan plan;
  plan.size_before = plan.size_after = file.size_bytes;
  auto footers = cure_footers(file, choices, plan);
  if (!footers) return Unexpected(footers.error());
  if (!*footers) return plan;
  std::optional<TableCure> table;
  if ((*footers)->footer.disk_type.get() != kDiskTypeFixed) {
    auto cured = cure_table(file, **footers, policy, choices, plan);
    if (!cured) return Unexpected(cured.error());
    table = std::move(*cured);
  }
  VIRIDIAN_TRY(plan_footers(file, **footers, table ? &*table : nullptr, plan));
  if (table) VIRIDIAN_TRY(cure_batmap(file, table->image, plan));
  std::stable_sort(plan.changes.begin(), plan.changes.end(),
                   [](const Change& a, const Change& b) { return a.stage < b.stage; });
  VIRIDIAN_TRY(look_at_result(file, policy, plan));
  return plan;
}

Result<void> apply_repair(io::File& file, const RepairPlan& plan) {
  if (plan.obstacle() != nullptr) {
    return fail(ErrorKind::kInvalidArgument, "{}: {}: cannot be mended", file.name(),
                plan.obstacle()->field);
  }
  for (size_t i = 0; i < plan.changes.size(); ++i) {
    const Change& change = plan.changes[i];
    if (change.after.empty()) {
      VIRIDIAN_TRY(file.resize(change.offset));
    } else {
      VIRIDIAN_TRY(file.write_at(change.offset, change.after));
    }
    const bool ends_stage =
        i + 1 == plan.changes.size() || plan.changes[i + 1].stage != change.stage;
    if (ends_stage) VIRIDIAN_TRY(file.sync());
  }
  return {};
}

}  // namespace viridian::vhd
