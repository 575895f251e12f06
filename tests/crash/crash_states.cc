#include "tests/crash/crash_states.h"

#include <algorithm>
#include <filesystem>

namespace viridian {
namespace {

namespace fs = std::filesystem;
using Change = io::ChangeLog::Change;
constexpr size_t kNever = ~size_t{0};
constexpr size_t kMostWhole = 4;    // changes of which every subset is shown
constexpr size_t kMostSingle = 24;  // changes that are left out, or taken, one at a time

}  // namespace

CrashStates::CrashStates(const io::ChangeLog& log, const std::vector<RecordedFile>& files,
                         size_t forgotten)
    : log_(log) {
  for (const RecordedFile& file : files) {
    const auto number = static_cast<uint32_t>(images_.size());
    images_.emplace_back(store_.file(std::to_string(number)), file.before);
    if (!file.name.empty()) names_[file.name] = number;
  }
  find_durable(forgotten);
  set_names(names_);
}

size_t CrashStates::first_sync(const io::ChangeLog& log) {
  const auto& operations = log.operations();
  const auto sync = std::find_if(operations.begin(), operations.end(),
                                 [](const auto& one) { return one.is_sync(); });
  return sync == operations.end() ? kNothing : static_cast<size_t>(sync - operations.begin());
}

void CrashStates::find_durable(size_t forgotten) {
  const size_t count = log_.operations().size();
  submitted_.assign(count, kNever);
  durable_at_.assign(count, kNever);
  std::vector<size_t> done(count, kNever);
  const auto& events = log_.events();
  for (size_t i = 0; i < events.size(); ++i)
    (events[i].done ? done : submitted_)[events[i].operation] = i + 1;
  for (size_t sync = 0; sync < count; ++sync) {
    const Operation& operation = log_.operations()[sync];
    if (operation.durable) durable_at_[sync] = std::min(durable_at_[sync], done[sync]);
    if (!operation.is_sync() || done[sync] == kNever || sync == forgotten) continue;
    const bool of_names = operation.change == Change::kSyncNames;
    for (size_t other = 0; other < count; ++other) {
      const Operation& earlier = log_.operations()[other];
      if (done[other] >= submitted_[sync] || earlier.is_of_names() != of_names) continue;
      if (!of_names && earlier.file != operation.file) continue;
      durable_at_[other] = std::min(durable_at_[other], done[sync]);
    }
  }
}

bool CrashStates::overlap(size_t a, size_t b) const {
  const Operation& one = log_.operations()[a];
  const Operation& other = log_.operations()[b];
  if (one.file != other.file) return false;
  if (one.change == Change::kResize || other.change == Change::kResize) return true;
  return one.offset < other.offset + other.length && other.offset < one.offset + one.length;
}

// Takes what is durable by now out of `list`. True if something has become durable.
bool CrashStates::settle(std::vector<size_t>& list, size_t position) {
  bool news = false;
  std::vector<size_t> left;
  for (const size_t i : list) {
    news |= durable_at_[i] == position;
    const Operation& operation = log_.operations()[i];
    const bool names = operation.is_of_names();
    const bool waits = !names && std::any_of(left.begin(), left.end(),
                                             [&](size_t earlier) { return overlap(earlier, i); });
    if (!is_durable(i) || waits) {
      left.push_back(i);
    } else if (names) {
      rename(operation, names_);
    } else {
      images_[operation.file].make_durable(operation);
    }
  }
  list.swap(left);
  return news;
}

bool CrashStates::move_to(size_t position) {
  position_ = position;
  const bool settled = settle(pending_, position);
  const bool other = settle(pending_names_, position) || settled || position == 0;
  if (position == 0 || log_.events()[position - 1].done) return other;
  const size_t now = log_.events()[position - 1].operation;
  const Operation& operation = log_.operations()[now];
  if (operation.is_sync()) return other;
  (operation.is_of_names() ? pending_names_ : pending_).push_back(now);
  return true;
}

void CrashStates::add(std::set<Choice>& all, Choice choice) const {
  bool torn = false;
  for (size_t i = 0; i < pending_.size(); ++i) {
    if (is_durable(pending_[i])) choice.taken[i] = Applied::kWhole;
    torn |= choice.taken[i] == Applied::kTorn;
  }
  if (!torn) choice.seed = 0;  // it says nothing then
  all.insert(std::move(choice));
}

std::set<CrashStates::Choice> CrashStates::choices(unsigned extra, std::minstd_rand& random) const {
  std::set<Choice> all;
  const size_t count = pending_.size();
  const size_t names = pending_names_.size();
  const auto none = std::vector<Applied>(count, Applied::kNot);
  const auto whole = std::vector<Applied>(count, Applied::kWhole);
  for (size_t n = 0; n <= names; ++n) {
    add(all, {none, n, 0});
    add(all, {whole, n, 0});
  }
  for (size_t i = 0; i < std::min(count, kMostSingle); ++i) {
    const size_t one = count <= kMostSingle ? i : random() % count;
    Choice choice{whole, names, 0};
    choice.taken[one] = Applied::kNot;
    add(all, choice);
    choice.taken = none;
    choice.taken[one] = Applied::kWhole;
    add(all, choice);
  }
  if (count <= kMostWhole) {
    for (size_t set = 0; set < size_t{1} << count; ++set) {
      Choice choice{none, names, 0};
      for (size_t i = 0; i < count; ++i) {
        if ((set >> i & 1) != 0) choice.taken[i] = Applied::kWhole;
      }
      add(all, choice);
    }
  }
  for (unsigned n = 0; n < extra && count > 0; ++n) {
    const bool torn = n % 2 == 0;
    Choice choice{none, random() % (names + 1), torn ? static_cast<unsigned>(random()) : 0};
    for (Applied& how : choice.taken)
      how = static_cast<Applied>(random() % (torn ? 3 : 2));
    add(all, choice);
  }
  return all;
}

void CrashStates::show(const Choice& choice) {
  std::minstd_rand random(choice.seed + 1);
  for (size_t i = 0; i < pending_.size(); ++i) {
    const Operation& operation = log_.operations()[pending_[i]];
    images_[operation.file].apply(operation, choice.taken[i], random);
  }
  auto names = names_;
  for (size_t i = 0; i < choice.names; ++i)
    rename(log_.operations()[pending_names_[i]], names);
  set_names(names);
}

void CrashStates::take_back() {
  for (CrashImage& image : images_)
    changed_ ? image.restore_all() : image.restore();
  if (changed_) {
    for (const auto& entry : fs::directory_iterator(folder_.path()))
      fs::remove_all(entry.path());
    shown_names_.clear();
  }
  changed_ = false;
}

void CrashStates::rename(const Operation& operation, std::map<std::string, uint32_t>& names) {
  if (operation.change == Change::kLink) names[operation.name] = operation.file;
  if (operation.change == Change::kRename && names.contains(operation.name)) {
    names[operation.new_name] = names[operation.name];
  }
  if (operation.change != Change::kLink) names.erase(operation.name);
}

void CrashStates::set_names(const std::map<std::string, uint32_t>& names) {
  if (names == shown_names_) return;
  for (const auto& [name, number] : shown_names_)
    fs::remove(folder_.path() / name);
  for (const auto& [name, number] : names)
    fs::create_hard_link(images_[number].path(), folder_.path() / name);
  shown_names_ = names;
}

std::string CrashStates::conflict() const {
  std::vector<size_t> running;
  for (const auto& event : log_.events()) {
    const Operation& one = log_.operations()[event.operation];
    if (one.change != Change::kWrite && one.change != Change::kZero) continue;
    if (event.done) {
      std::erase(running, event.operation);
      continue;
    }
    for (const size_t i : running) {
      const Operation& other = log_.operations()[i];
      if (one.file == other.file && one.offset < other.offset + other.length &&
          other.offset < one.offset + one.length) {
        return "changes " + std::to_string(i) + " and " + std::to_string(event.operation) +
               " at offset " + std::to_string(one.offset);
      }
    }
    running.push_back(event.operation);
  }
  return {};
}

}  // namespace viridian
