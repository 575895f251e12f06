// What a power cut can leave of a file: every state follows from the log of a MemoryFile, a
// position in it, and a choice of which unsynced changes had reached the disk.
//
// The disk keeps the order of changes to one sector and no other; it writes a sector whole or not
// at all, and any of the sectors of one write.
#pragma once

#include <random>
#include <vector>

#include "io/memory_file.h"

namespace viridian {

enum class CutKind : uint8_t {
  kNone,     // only what a sync made durable
  kAll,      // everything that was submitted
  kSome,     // a random choice of the unsynced operations
  kTorn,     // of each unsynced write a random choice of sectors
  kReorder,  // all but one unsynced operation, so that every later one overtook it
};
constexpr CutKind kCutKinds[] = {CutKind::kNone, CutKind::kAll, CutKind::kSome, CutKind::kTorn,
                                 CutKind::kReorder};

class CrashStates {
 public:
  // `before` is the file when the log began.
  CrashStates(std::vector<std::byte> before, const io::MemoryFile& file);

  size_t positions() const { return file_.events().size() + 1; }
  // The file after a cut when `position` events had happened.
  std::vector<std::byte> at(size_t position, CutKind kind, std::minstd_rand& random) const;

 private:
  std::vector<std::byte> before_;
  const io::MemoryFile& file_;
  std::vector<size_t> submitted_;   // of each operation: the position behind its event
  std::vector<size_t> durable_at_;  // from which position on it is on the disk for sure
};

}  // namespace viridian
