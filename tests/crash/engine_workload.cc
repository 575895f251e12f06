#include "tests/crash/engine_workload.h"

#include <algorithm>
#include <numeric>

#include "tests/conformance/sync_disk.h"
#include "vhd/repair.h"

namespace viridian::vhd {
namespace {

constexpr DiskLimits kSmall = {8, 8, 64, 16, 8192};
constexpr unsigned kBatches = 12;      // of requests in a session
constexpr unsigned kExtraStates = 12;  // random ones at each position
constexpr size_t kByEngine = 16;       // each state is opened; one of so many is written to

void add(std::vector<Content>& set, Content content) {
  if (std::find(set.begin(), set.end(), content) == set.end()) set.push_back(content);
}

}  // namespace

EngineWorkload::EngineWorkload(io::Reactor& reactor, const WorkloadShape& shape, unsigned seed)
    : reactor_(reactor), shape_(shape), seed_(seed), random_(seed), chain_(reactor) {
  allowed_.any.assign(shape.sectors, {0});
  allowed_.latest.assign(shape.sectors, {0});
  make_layers();
}

void EngineWorkload::make_layers() {
  for (unsigned layer = 0; layer < shape_.depth; ++layer) {
    if (shape_.block_size == 0) {
      chain_.push_fixed(shape_.sectors * kSectorBytes);
      return;
    }
    chain_.push(shape_.sectors * kSectorBytes, shape_.block_size);
    if (layer + 1 == shape_.depth) break;
    run_session();
    // The layer becomes a parent: a cut of the child does not reach it.
    const auto image = load_image_from(chain_.leaf_bytes(), "image.vhd");
    const auto shown = contents_by_format(*image, chain_.leaf_bytes(), parent_);
    if (!shown) problem_ = "a parent is not readable";
    go_on_from({}, *shown);
    parent_ = *shown;
  }
}

void EngineWorkload::go_on_from(const std::vector<std::byte>& file,
                                const std::vector<Content>& contents) {
  if (!file.empty()) chain_.set_leaf_bytes(file);
  for (uint64_t i = 0; i < shape_.sectors; ++i)
    allowed_.any[i] = allowed_.latest[i] = {contents[i]};
}

EngineWorkload::Outcome EngineWorkload::run() {
  Outcome all;
  for (unsigned session = 0; session < shape_.sessions && all.problem.empty(); ++session) {
    run_session();
    const Outcome one = cut(kExtraStates);
    all.states += one.states;
    all.problem = one.problem;
    if (pick(2) == 0) go_on_after_a_cut();
  }
  return all;
}

void EngineWorkload::run_session() {
  before_ = chain_.leaf_bytes();
  kept_.clear();
  log_ = {};
  moments_.clear();
  DiskLimits limits;
  limits.bitmap_slots = static_cast<uint32_t>(3 + pick(20));
  limits.commit_threshold = static_cast<uint32_t>(1 + pick(12));
  limits.growth_bytes = pick(4) * 8192;
  auto opened = chain_.open(limits, &log_);
  if (!opened) {
    problem_ = opened.error().message;
    return;
  }
  moments_.push_back({0, allowed_});
  chain_.file().shuffle(static_cast<unsigned>(random_()));
  for (unsigned i = 0; i < kBatches; ++i)
    run_batch(**opened);
  (*opened).reset();
  allowed_.any = allowed_.latest;  // the close commits
  moments_.push_back({log_.events().size(), allowed_});
}

void EngineWorkload::run_batch(ChainDisk& disk) {
  const bool flush = pick(5) == 0;
  Allowed after = allowed_;
  size_t used = 0;
  if (flush) {
    prepare(slots_[used++], io::IoOp::kFlush, 0, 0);
    after.any = after.latest;
  }
  uint64_t from = pick(shape_.sectors);
  for (const size_t count = 1 + pick(kMaxAtOnce); !flush && used < count && from < shape_.sectors;
       ++used) {
    Slot& slot = slots_[used];
    static constexpr io::IoOp kOps[] = {io::IoOp::kWrite, io::IoOp::kWrite, io::IoOp::kWrite,
                                        io::IoOp::kWriteZeroes, io::IoOp::kDiscard};
    const uint32_t block_size = shape_.block_size == 0 ? 4096 : shape_.block_size;
    const uint64_t most = 1 + pick(3 * block_size / kSectorBytes);
    const uint64_t length = 1 + pick(std::min(shape_.sectors - from, most));
    prepare(slot, kOps[pick(std::size(kOps))], from, length);
    note(slot, after);
    from += length + pick(16);
  }
  // A flush beside them promises nothing about them, but its commit meets them on their way.
  for (uint64_t i = pick(3); !flush && i > 0; --i)
    prepare(slots_[used++], io::IoOp::kFlush, 0, 0);
  size_t order[kMaxAtOnce + 2];
  std::iota(order, order + used, size_t{0});
  std::shuffle(order, order + used, random_);
  // While the batch runs, each of its sectors may be old or new.
  Allowed during = allowed_;
  for (size_t i = 0; i < shape_.sectors && !flush; ++i) {
    for (Content content : after.latest[i])
      add(during.any[i], content);
  }
  moments_.push_back({log_.events().size(), during});
  for (size_t i = 0; i < used; ++i)
    disk.submit(slots_[order[i]]);
  reactor_.run_until([&] {
    return std::all_of(slots_, slots_ + used, [](const Slot& slot) { return slot.ended; });
  });
  for (size_t i = 0; i < used; ++i) {
    if (slots_[i].status != io::IoStatus::kOk) problem_ = "a request failed";
  }
  allowed_ = std::move(after);
  moments_.push_back({log_.events().size(), allowed_});
}

void EngineWorkload::prepare(Slot& slot, io::IoOp op, uint64_t sector, uint64_t sectors) {
  slot.op = op;
  slot.fua = op == io::IoOp::kWrite && pick(6) == 0;
  slot.sector = sector;
  slot.sector_count = sectors;
  slot.data = {};
  slot.contents.assign(sectors, 0);
  if (op == io::IoOp::kWrite) {
    slot.bytes.resize(sectors * kSectorBytes);
    for (uint64_t i = 0; i < sectors; ++i) {
      slot.contents[i] = ++last_content_;
      fill_sector(slot.bytes.data() + i * kSectorBytes, last_content_);
    }
    slot.part = {slot.bytes.data(), slot.bytes.size()};
    slot.data = {&slot.part, 1};
  }
  slot.ended = false;
  slot.done = [](io::IoRequest& self) noexcept { static_cast<Slot&>(self).ended = true; };
}

// What the slot makes possible when it is done.
void EngineWorkload::note(const Slot& slot, Allowed& after) const {
  for (uint64_t i = 0; i < slot.sector_count; ++i) {
    auto& latest = after.latest[slot.sector + i];
    auto& any = after.any[slot.sector + i];
    if (slot.op != io::IoOp::kDiscard) latest.clear();
    add(latest, slot.contents[i]);
    if (slot.fua) any.clear();
    add(any, slot.contents[i]);
  }
}

EngineWorkload::Outcome EngineWorkload::cut(unsigned extra, size_t forgotten) {
  return cut_log(log_, moments_, extra, forgotten, forgotten == CrashStates::kNothing);
}

EngineWorkload::Outcome EngineWorkload::cut_log(const io::ChangeLog& log,
                                                const std::vector<Moment>& moments, unsigned extra,
                                                size_t forgotten, bool by_engine) {
  Outcome outcome{0, problem_};
  if (!problem_.empty()) return outcome;
  const std::vector<std::byte> after = chain_.leaf_bytes();
  CrashStates states(log, {{"leaf.vhd", before_}}, forgotten);
  if (outcome.problem = states.conflict(); !outcome.problem.empty()) return outcome;
  std::set<size_t> marks;
  for (const Moment& moment : moments)
    marks.insert(moment.position);
  size_t moment = 0;
  size_t count = 0;
  outcome.states = states.visit(marks, extra, random_, [&](size_t position) {
    while (moment + 1 < moments.size() && moments[moment + 1].position <= position)
      ++moment;
    outcome.problem = check_state(states.image(0), moments[moment].allowed,
                                  by_engine && ++count % kByEngine == 0);
    if (position == log.events().size() && outcome.problem.empty()) {
      outcome.problem = check_closed(states.image(0));
    }
    if (outcome.problem.empty()) return true;
    outcome.problem += " (seed " + std::to_string(seed_) + ", event " + std::to_string(position) +
                       " of " + std::to_string(log.events().size()) + ")";
    return false;
  });
  chain_.set_leaf_bytes(after);
  return outcome;
}

std::string EngineWorkload::check_state(const CrashImage& file, const Allowed& allowed,
                                        bool by_engine) {
  const auto image = load_image(file.fd(), "leaf.vhd");
  if (!image) return image.error().message;
  if (image->read_only) return "opens for reading only: " + image->warnings.back();
  const auto contents = contents_by_format(*image, file.bytes(), parent_);
  if (!contents) return "a sector holds what was never written";
  for (uint64_t i = 0; i < shape_.sectors; ++i) {
    const auto& set = allowed.any[i];
    if (std::find(set.begin(), set.end(), (*contents)[i]) != set.end()) continue;
    return "sector " + std::to_string(i) + " holds content " + std::to_string((*contents)[i]) +
           ", which was lost, or never there";
  }
  if (!by_engine) return {};
  const std::string wrong = check_repair(file);
  return wrong.empty() ? check_by_engine(file, *contents) : wrong;
}

// A close that came to its end leaves what every other program reads: a footer behind the blocks.
std::string EngineWorkload::check_closed(const CrashImage& file) {
  const auto image = load_image(file.fd(), "leaf.vhd");
  if (!image) return image.error().message;
  return image->warnings.empty() ? std::string{} : "closed: " + image->warnings.front();
}

// What a growth ahead, cut short, leaves behind the blocks and between them is nothing that a
// person should have to mend: at most the footers, as the first write of the engine does, too.
std::string EngineWorkload::check_repair(const CrashImage& file) {
  const auto view = view_file(file.fd(), "leaf.vhd");
  const auto plan = view ? plan_repair(*view, {}) : Unexpected(view.error());
  if (!plan) return plan.error().message;
  if (plan->obstacle() != nullptr) return "repair: " + plan->obstacle()->text;
  for (const Flaw& flaw : plan->flaws) {
    if (!flaw.harmless) return "repair takes it for damage: " + flaw.text;
  }
  io::MemoryFile mended(reactor_, "leaf.vhd", {file.bytes().begin(), file.bytes().end()});
  if (plan->flaws.empty()) return {};
  if (const auto done = apply_repair(mended, *plan); !done) return done.error().message;
  const auto image = load_image(mended.fd(), "leaf.vhd");
  if (!image) return "after a repair: " + image.error().message;
  if (!image->warnings.empty()) return "after a repair: " + image->warnings.front();
  const auto contents = contents_by_format(*image, mended.bytes(), parent_);
  const auto before = load_image(file.fd(), "leaf.vhd");
  return contents == contents_by_format(*before, file.bytes(), parent_)
             ? std::string{}
             : "repair changed what the disk holds";
}

// The engine shows the same, and goes on writing: space that a cut left over shows nothing.
std::string EngineWorkload::check_by_engine(const CrashImage& file,
                                            const std::vector<Content>& contents) {
  const std::vector<std::byte> bytes(file.bytes().begin(), file.bytes().end());
  if (pick(8) == 0) kept_ = bytes, kept_contents_ = contents;
  std::vector<std::byte> wanted(shape_.sectors * kSectorBytes);
  std::vector<std::byte> shown(wanted.size());
  for (uint64_t i = 0; i < shape_.sectors; ++i)
    fill_sector(wanted.data() + i * kSectorBytes, contents[i]);
  chain_.set_leaf_bytes(bytes);
  {
    auto disk = chain_.open(kSmall);
    if (!disk) return disk.error().message;
    io::SyncDisk sync(reactor_, **disk);
    if (sync.read(0, shown) != io::IoStatus::kOk) return "a read failed";
    if (shown != wanted) return "the engine shows something else than the file";
    for (uint64_t i = pick(8); i < shape_.sectors; i += 1 + pick(12)) {
      std::vector<std::byte> sector(kSectorBytes);
      fill_sector(sector.data(), 1 + static_cast<Content>(i));
      if (sync.write(i, sector) != io::IoStatus::kOk) return "a write failed";
      std::copy(sector.begin(), sector.end(),
                wanted.begin() + static_cast<ptrdiff_t>(i * kSectorBytes));
    }
  }
  auto disk = chain_.open(kSmall);
  if (!disk) return disk.error().message;
  if (io::SyncDisk(reactor_, **disk).read(0, shown) != io::IoStatus::kOk) return "a read failed";
  return shown == wanted ? std::string{} : "what was written after the cut was not kept";
}

}  // namespace viridian::vhd
