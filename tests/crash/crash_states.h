// What a power cut can leave of some files: every state follows from a log of changes, a position
// in it, and a choice of which unsynced changes had reached the disk.
//
// The disk keeps the order of changes to one sector and no other; it writes a sector whole or not
// at all, and any of the sectors of one write. Changes of names happen in their order, and the last
// of them may be lost.
//
// At each position where something new is possible visit() shows: nothing unsynced, all of it, all
// but one change, one change alone, every subset of up to four changes, and random subsets with
// torn changes among them. No choice is shown twice.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <vector>

#include "tests/crash/crash_image.h"
#include "tests/support/file_recorder.h"
#include "tests/support/temp_folder.h"

namespace viridian {

class CrashStates {
 public:
  static constexpr size_t kNothing = ~size_t{0};

  // `files`: by the log's numbers. `forgotten`: the sync of this number in the log did nothing, as
  // if the code had left it out: what a suite has to find out.
  CrashStates(const io::ChangeLog& log, const std::vector<RecordedFile>& files,
              size_t forgotten = kNothing);

  // The number of the log's first sync; kNothing: it has none.
  static size_t first_sync(const io::ChangeLog& log);

  // Where the state's files are, by their names, while a check looks at it.
  const std::filesystem::path& folder() const { return folder_.path(); }
  CrashImage& image(size_t number) { return images_[number]; }
  // A check that writes to the folder says so.
  void changed() { changed_ = true; }

  // Calls bool check(position) for the states; position: how many of the log's events had happened.
  // At `marks` something else is expected than before, so the same states are shown again. Ends
  // when a check returns false. Returns how many states it has shown.
  template <class Check>
  size_t visit(const std::set<size_t>& marks, unsigned extra, std::minstd_rand& random,
               Check&& check);

  // The first two changes that touch the same sector and were in progress at the same time, in
  // which case nobody can say what is on the disk; empty if there are none.
  std::string conflict() const;

 private:
  using Operation = io::ChangeLog::Operation;
  struct Choice {
    std::vector<Applied> taken;  // of pending_
    size_t names = 0;            // how many of pending_names_
    unsigned seed = 0;           // of torn ones
    auto operator<=>(const Choice&) const = default;
  };

  void find_durable(size_t forgotten);
  bool move_to(size_t position);  // true if other states are possible than before
  bool settle(std::vector<size_t>& list, size_t position);
  bool overlap(size_t a, size_t b) const;
  std::set<Choice> choices(unsigned extra, std::minstd_rand& random) const;
  bool is_durable(size_t operation) const { return durable_at_[operation] <= position_; }
  void add(std::set<Choice>& all, Choice choice) const;
  void show(const Choice& choice);
  void take_back();
  void set_names(const std::map<std::string, uint32_t>& names);
  static void rename(const Operation& operation, std::map<std::string, uint32_t>& names);

  const io::ChangeLog& log_;
  std::vector<size_t> submitted_;   // of each operation: the position behind its event
  std::vector<size_t> durable_at_;  // from which position on it is on the disk for sure
  size_t position_ = 0;
  // Of files' contents. Durable ones stay while an earlier one may yet reach the same sectors.
  std::vector<size_t> pending_;
  std::vector<size_t> pending_names_;
  TempFolder store_{"/dev/shm"};
  TempFolder folder_{"/dev/shm"};
  std::vector<CrashImage> images_;
  std::map<std::string, uint32_t> names_;  // that are durable
  std::map<std::string, uint32_t> shown_names_;
  bool changed_ = false;
};

template <class Check>
size_t CrashStates::visit(const std::set<size_t>& marks, unsigned extra, std::minstd_rand& random,
                          Check&& check) {
  size_t count = 0;
  for (size_t position = 0; position <= log_.events().size(); ++position) {
    if (!move_to(position) && !marks.contains(position)) continue;
    for (const Choice& choice : choices(extra, random)) {
      show(choice);
      ++count;
      const bool go_on = check(position);
      take_back();
      if (!go_on) return count;
    }
  }
  return count;
}

}  // namespace viridian
