// The parts of plan_repair(): footers, header and table, block map. Each adds what it finds.
#pragma once

#include <optional>

#include "vhd/footer_search.h"
#include "vhd/layout.h"
#include "vhd/repair.h"

namespace viridian::vhd {

constexpr size_t kMaxTableRepairs = 65536;  // more wrong entries are no table

// The flaw, for those who fill in the rest.
Flaw& add_flaw(RepairPlan& plan, std::string_view name, std::string field, uint64_t offset,
               std::string text);
// A structure that changes; nothing if it does not.
void add_change(RepairPlan& plan, const FileView& file, Change change);

struct FooterCure {
  Footer footer;  // the image's, sealed
  bool write_last = false;
  bool write_copy = false;
  std::string_view last_name;  // of the flaw that each mends
  std::string_view copy_name;
  bool last_stands = false;        // there is a last footer, at `last_offset`, to be kept there
  uint64_t last_offset = 0;        // or something that is left of it,
  bool remains = false;            // if this is set
  std::optional<uint64_t> cut_at;  // a footer with something behind it
};

// Nothing if there is no footer to go by; the plan says so.
Result<std::optional<FooterCure>> cure_footers(const FileView& file, const RepairChoices& choices,
                                               RepairPlan& plan);

struct TableCure {
  Image image;                   // header, table as it will be, block map
  std::vector<Extent> metadata;  // without the last footer
  uint64_t data_end = 0;         // of blocks and metadata
  bool damaged = false;          // entries were changed, or could not be
};

Result<std::optional<TableCure>> cure_table(const FileView& file, const FooterCure& footers,
                                            const OpenPolicy& policy, const RepairChoices& choices,
                                            RepairPlan& plan);

Result<void> cure_batmap(const FileView& file, const Image& image, RepairPlan& plan);

}  // namespace viridian::vhd
