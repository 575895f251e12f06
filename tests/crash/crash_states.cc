#include "tests/crash/crash_states.h"

#include <algorithm>
#include <cstring>

namespace viridian {
namespace {

using io::MemoryFile;
constexpr size_t kNever = ~size_t{0};
constexpr size_t kSector = 512;

void apply_torn(const MemoryFile::Operation& operation, std::minstd_rand& random,
                std::vector<std::byte>& bytes) {
  const size_t end = operation.offset + operation.bytes.size();
  // The file may have grown although its new sectors were not written.
  if (random() % 2 == 0) bytes.resize(std::max(bytes.size(), end));
  for (size_t at = 0; at < operation.bytes.size(); at += kSector) {
    if (random() % 2 == 0) continue;
    const size_t length = std::min(kSector, operation.bytes.size() - at);
    bytes.resize(std::max<size_t>(bytes.size(), operation.offset + at + length));
    std::memcpy(bytes.data() + operation.offset + at, operation.bytes.data() + at, length);
  }
}

}  // namespace

CrashStates::CrashStates(std::vector<std::byte> before, const MemoryFile& file)
    : before_(std::move(before)), file_(file) {
  const size_t count = file.operations().size();
  submitted_.assign(count, kNever);
  durable_at_.assign(count, kNever);
  std::vector<size_t> done(count, kNever);
  const auto& events = file.events();
  for (size_t i = 0; i < events.size(); ++i)
    (events[i].done ? done : submitted_)[events[i].operation] = i + 1;
  for (size_t sync = 0; sync < count; ++sync) {
    const MemoryFile::Operation& operation = file.operations()[sync];
    if (operation.durable) durable_at_[sync] = std::min(durable_at_[sync], done[sync]);
    if (operation.change != MemoryFile::Change::kSync || done[sync] == kNever) continue;
    for (size_t other = 0; other < count; ++other) {
      if (done[other] < submitted_[sync]) {
        durable_at_[other] = std::min(durable_at_[other], done[sync]);
      }
    }
  }
}

std::vector<std::byte> CrashStates::at(size_t position, CutKind kind,
                                       std::minstd_rand& random) const {
  std::vector<size_t> unsynced;
  for (size_t i = 0; i < submitted_.size(); ++i) {
    if (submitted_[i] <= position && durable_at_[i] > position) unsynced.push_back(i);
  }
  const size_t left_out = unsynced.empty() ? kNever : unsynced[random() % unsynced.size()];
  std::vector<std::byte> bytes = before_;
  for (size_t i = 0; i < submitted_.size(); ++i) {
    if (submitted_[i] > position) continue;
    const MemoryFile::Operation& operation = file_.operations()[i];
    bool whole = true;
    if (durable_at_[i] > position) {
      if (kind == CutKind::kNone) continue;
      if (kind == CutKind::kReorder && i == left_out) continue;
      if (kind == CutKind::kSome && random() % 2 == 0) continue;
      whole = kind != CutKind::kTorn || operation.change != MemoryFile::Change::kWrite;
      if (kind == CutKind::kTorn && whole && random() % 2 == 0) continue;
    }
    if (whole) {
      MemoryFile::apply(operation, bytes);
    } else {
      apply_torn(operation, random, bytes);
    }
  }
  return bytes;
}

}  // namespace viridian
