// Finds what is wrong with a VHD file and can be mended, and mends it.
//
// plan_repair() only reads. Its result is looked at as if it were in the file, by the same code
// that opens images, before anything may be written: either the whole plan leads to an image that
// opens, or it does not apply. apply_repair() writes in stages, each durable before the next, so
// that a cut leaves a file for which another repair comes to the same end. docs/repair.md has the
// names of all flaws. Control path.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "io/file.h"
#include "vhd/control_io.h"

namespace viridian::vhd {

// What takes a person to decide.
enum class FooterChoice : uint8_t { kNone, kLast, kCopy };
enum class SharedChoice : uint8_t { kNone, kFirst, kLast };
struct RepairChoices {
  FooterChoice footer = FooterChoice::kNone;  // which of two good ones that differ
  SharedChoice shared = SharedChoice::kNone;  // which of two entries keeps the block, by index
  bool cut_tail = false;                      // of a fixed image, behind its footer
};

enum class Cure : uint8_t {
  kRepair,
  kChoice,  // with the choice that `advice` names
  kNone,
};

struct Flaw {
  std::string_view name;  // "footer-checksum": stable
  std::string field;
  uint64_t offset = 0;
  std::string text;
  Cure cure = Cure::kRepair;
  std::string advice;     // how it can be mended, if not by repair alone
  bool harmless = false;  // the image opens for writing all the same
};

// The order of the changes.
enum class Stage : uint8_t {
  kCopy,
  kHeader,
  kTable,  // before the file grows: a place behind its end is not one inside it then
  kOldFooter,
  kGrow,
  kLastFooter,
  kBatmap,
  kBatmapHeader,
  kCut,
};

struct Change {
  Stage stage;
  std::string_view name;  // of the flaw that it mends
  std::string field;
  uint64_t offset = 0;  // kGrow and kCut: the new size
  std::vector<std::byte> before;
  std::vector<std::byte> after;
  std::string meaning;
};

struct RepairPlan {
  std::vector<Flaw> flaws;
  std::vector<Change> changes;  // in the order of their stages
  uint64_t size_before = 0;     // bytes
  uint64_t size_after = 0;
  std::vector<std::string> warnings;  // of the image as it will be

  // The first flaw that keeps the plan from being applied.
  const Flaw* obstacle() const;
};

// Of any file that should be a VHD. kIo, and kUnsupported for what is no damage.
Result<RepairPlan> plan_repair(const FileView& file, const OpenPolicy& policy,
                               const RepairChoices& choices = {});

// The plan has no obstacle, and the file has not changed since.
Result<void> apply_repair(io::File& file, const RepairPlan& plan);

}  // namespace viridian::vhd
