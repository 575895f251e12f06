// The mutations of EngineWorkload: which writes of a log they can be of, and the log with one.
#include <algorithm>

#include "tests/crash/engine_workload.h"

namespace viridian::vhd {
namespace {

using Change = io::ChangeLog::Change;
using Logged = io::ChangeLog::Operation;

bool is_footer(const Logged& operation) {
  const auto footer = read_wire<Footer>(operation.bytes);
  return operation.change == Change::kWrite && operation.offset != 0 && footer &&
         footer->cookie == kFooterCookie;
}

bool is_lost(Mutation mutation) {
  return mutation != Mutation::kBitmapBeforeData && mutation != Mutation::kTableBeforeZeroing;
}

// Where in the log's events an early write comes instead: before the last operation of this kind
// that was done by then.
size_t early_place(const io::ChangeLog& log, size_t victim_at, Change before) {
  const auto& events = log.events();
  for (size_t at = victim_at; at-- > 0;) {
    if (!events[at].done && log.operations()[events[at].operation].change == before) return at;
  }
  return victim_at;
}

}  // namespace

std::vector<size_t> EngineWorkload::victims(Mutation mutation) const {
  const auto image = load_image_from(before_, "leaf.vhd");
  if (!image || image->bat.empty()) return {};
  const auto header = *read_wire<SparseHeader>(before_, image->footer.data_offset);
  const uint64_t table_end = header.table_offset + image->bat.size() * sizeof(be32);
  // The places of all blocks, as every table of the session names them.
  std::set<uint64_t> places;
  for (const uint32_t entry : image->bat)
    places.insert(uint64_t{entry} * kSectorBytes);
  const auto in_table = [&](const Logged& one) {
    return one.change == Change::kWrite && one.offset >= header.table_offset &&
           one.offset < table_end;
  };
  for (const Logged& one : log_.operations()) {
    for (size_t at = 0; in_table(one) && at + sizeof(be32) <= one.bytes.size(); at += sizeof(be32))
      places.insert(uint64_t{*read_wire<be32>(one.bytes, at)} * kSectorBytes);
  }
  std::vector<size_t> found;
  for (size_t i = 0; i < log_.operations().size(); ++i) {
    const Logged& one = log_.operations()[i];
    bool fits = false;
    switch (mutation) {
      case Mutation::kBitmapBeforeData:
      case Mutation::kBitmapLost:
        fits = one.change == Change::kWrite && places.contains(one.offset);
        break;
      case Mutation::kTableBeforeZeroing:
      case Mutation::kTableLost:
        fits = in_table(one);
        break;
      case Mutation::kZeroingLost:
        fits = one.change == Change::kZero;
        break;
      case Mutation::kLastFooterLost:
        fits = is_footer(one);
        if (fits) found.clear();
        break;
    }
    if (fits) found.push_back(i);
  }
  return found;
}

EngineWorkload::Outcome EngineWorkload::cut_mutated(unsigned extra, Mutation mutation,
                                                    size_t operation) {
  const auto& events = log_.events();
  std::vector<size_t> order(events.size());  // of the old events
  for (size_t i = 0; i < order.size(); ++i)
    order[i] = i;
  if (!is_lost(mutation)) {
    const auto of_victim = [&](size_t i) { return events[i].operation == operation; };
    const auto first = std::find_if(order.begin(), order.end(), of_victim);
    const Change before = mutation == Mutation::kBitmapBeforeData ? Change::kSync : Change::kZero;
    const size_t place = early_place(log_, static_cast<size_t>(first - order.begin()), before);
    std::vector<size_t> moved;
    std::copy_if(order.begin(), order.end(), std::back_inserter(moved), of_victim);
    std::erase_if(order, of_victim);
    order.insert(order.begin() + static_cast<ptrdiff_t>(place), moved.begin(), moved.end());
  }
  io::ChangeLog log;
  std::vector<size_t> numbers(log_.operations().size());
  std::vector<size_t> new_position(events.size());
  for (size_t i = 0; i < order.size(); ++i) {
    const auto& event = events[order[i]];
    new_position[order[i]] = i + 1;
    if (event.done) {
      log.done(numbers[event.operation]);
      continue;
    }
    Logged one = log_.operations()[event.operation];
    // What is lost stays as a change of nothing, so that every event keeps its place.
    if (is_lost(mutation) && event.operation == operation) one.length = 0, one.bytes.clear();
    numbers[event.operation] = log.submit(std::move(one));
  }
  std::vector<Moment> moments = moments_;
  for (Moment& moment : moments) {
    size_t last = moment.position;  // the event before it that did not move
    while (last > 0 && events[last - 1].operation == operation)
      --last;
    moment.position = last == 0 ? 0 : new_position[last - 1];
  }
  return cut_log(log, moments, extra, CrashStates::kNothing, false);
}

}  // namespace viridian::vhd
