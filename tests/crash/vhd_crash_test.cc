// A workload on a disk, cut at every moment: after each cut the image opens without repair, what
// was flushed is there, and a sector that was not flushed is as it was or as it was written, never
// another's.
#include <gtest/gtest.h>

#include <cstring>
#include <numeric>

#include "tests/conformance/sync_disk.h"
#include "tests/crash/crash_states.h"
#include "tests/support/memory_chain.h"

namespace viridian::vhd {
namespace {

constexpr size_t kMaxAtOnce = 4;
constexpr DiskLimits kSmall = {8, 8, 64, 16, 8192};  // a state is opened in well under 1 ms

struct Shape {
  const char* name;
  uint32_t block_size;
  uint64_t sectors;
  unsigned depth;
  unsigned seeds;
  unsigned batches;
  unsigned batches_per_open;
};

// A sector's content is named by a number: 0 is zeroes.
using Content = uint32_t;

void fill(std::byte* sector, Content content) {
  for (size_t i = 0; i < kSectorBytes; i += sizeof(Content)) {
    const Content value = content == 0 ? 0 : content * 2654435761u + static_cast<Content>(i);
    std::memcpy(sector + i, &value, sizeof(value));
  }
}

struct Slot : io::IoRequest {
  std::vector<std::byte> bytes;
  std::vector<Content> contents;
  iovec part;
  bool ended = true;
};

// What each sector may hold after a cut.
struct Allowed {
  std::vector<std::vector<Content>> any;     // after a cut now
  std::vector<std::vector<Content>> latest;  // if everything done were durable
};

void add(std::vector<Content>& set, Content content) {
  if (std::find(set.begin(), set.end(), content) == set.end()) set.push_back(content);
}

class Workload {
 public:
  Workload(io::Reactor& reactor, const Shape& shape, unsigned seed)
      : reactor_(reactor), shape_(shape), random_(seed), chain_(reactor), seed_(seed) {
    allowed_.any.assign(shape.sectors, {0});
    allowed_.latest.assign(shape.sectors, {0});
  }

  size_t run() {
    for (unsigned layer = 0; layer < shape_.depth; ++layer) {
      chain_.push(shape_.sectors * kSectorBytes, shape_.block_size);
      if (layer + 1 == shape_.depth) break;
      run_open(false);
      // The layer becomes a parent: a cut of the child does not reach it.
      allowed_.any = allowed_.latest;
    }
    for (unsigned done = 0; done < shape_.batches && !testing::Test::HasFailure();
         done += shape_.batches_per_open) {
      run_open(true);
    }
    return states_;
  }

 private:
  struct Moment {
    size_t position;  // in the log: from here on
    Allowed allowed;
  };
  uint64_t pick(uint64_t below) { return random_() % below; }

  void run_open(bool cut) {
    const std::vector<std::byte> before = chain_.leaf_bytes();
    DiskLimits limits;
    limits.bitmap_slots = static_cast<uint32_t>(3 + pick(20));
    limits.commit_threshold = static_cast<uint32_t>(1 + pick(12));
    limits.growth_bytes = pick(4) * 8192;
    auto opened = chain_.open(limits);
    ASSERT_TRUE(opened) << opened.error().message;
    chain_.file().shuffle(static_cast<unsigned>(random_()));
    chain_.file().record(true);
    std::vector<Moment> moments;
    for (unsigned i = 0; i < shape_.batches_per_open; ++i)
      run_batch(**opened, moments);
    (*opened).reset();
    // The close commits.
    allowed_.any = allowed_.latest;
    if (!cut) return;
    moments.push_back({chain_.file().events().size(), allowed_});
    cut_everywhere(before, moments);
  }

  void run_batch(ChainDisk& disk, std::vector<Moment>& moments) {
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
      const uint64_t most = 1 + pick(3 * shape_.block_size / kSectorBytes);
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
    moments.push_back({chain_.file().events().size(), during});
    for (size_t i = 0; i < used; ++i)
      disk.submit(slots_[order[i]]);
    reactor_.run_until([&] {
      return std::all_of(slots_, slots_ + used, [](const Slot& slot) { return slot.ended; });
    });
    for (size_t i = 0; i < used; ++i)
      ASSERT_EQ(slots_[i].status, io::IoStatus::kOk);
    allowed_ = std::move(after);
    moments.push_back({chain_.file().events().size(), allowed_});
  }

  void prepare(Slot& slot, io::IoOp op, uint64_t sector, uint64_t sectors) {
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
        fill(slot.bytes.data() + i * kSectorBytes, last_content_);
      }
      slot.part = {slot.bytes.data(), slot.bytes.size()};
      slot.data = {&slot.part, 1};
    }
    slot.ended = false;
    slot.done = [](io::IoRequest& self) noexcept { static_cast<Slot&>(self).ended = true; };
  }

  // What the slot makes possible when it is done.
  void note(const Slot& slot, Allowed& after) const {
    for (uint64_t i = 0; i < slot.sector_count; ++i) {
      auto& latest = after.latest[slot.sector + i];
      auto& any = after.any[slot.sector + i];
      if (slot.op != io::IoOp::kDiscard) latest.clear();
      add(latest, slot.contents[i]);
      if (slot.fua) any.clear();
      add(any, slot.contents[i]);
    }
  }

  void cut_everywhere(const std::vector<std::byte>& before, const std::vector<Moment>& moments) {
    const std::vector<std::byte> after = chain_.leaf_bytes();
    // A copy, since each state is opened in the same chain.
    const io::MemoryFile log = chain_.file();
    const CrashStates states(before, log);
    size_t moment = 0;
    for (size_t position = 0; position < states.positions(); ++position) {
      while (moment + 1 < moments.size() && moments[moment + 1].position <= position)
        ++moment;
      for (CutKind kind : kCutKinds) {
        check_state(states.at(position, kind, random_), moments[moment].allowed,
                    "seed " + std::to_string(seed_) + " position " + std::to_string(position) +
                        " of " + std::to_string(states.positions()) + " cut " +
                        std::to_string(static_cast<int>(kind)));
        if (testing::Test::HasFailure()) return;
      }
    }
    chain_.set_leaf_bytes(after);
  }

  void check_state(std::vector<std::byte> bytes, const Allowed& allowed, const std::string& where) {
    ++states_;
    chain_.set_leaf_bytes(std::move(bytes));
    std::vector<std::byte> all(shape_.sectors * kSectorBytes);
    {
      auto disk = chain_.open(kSmall);
      ASSERT_TRUE(disk) << where << ": " << disk.error().message;
      io::SyncDisk sync(reactor_, **disk);
      ASSERT_EQ(sync.read(0, all), io::IoStatus::kOk) << where;
      std::vector<std::byte> wanted(kSectorBytes);
      for (uint64_t i = 0; i < shape_.sectors; ++i) {
        const bool found =
            std::any_of(allowed.any[i].begin(), allowed.any[i].end(), [&](Content content) {
              fill(wanted.data(), content);
              return std::memcmp(wanted.data(), all.data() + i * kSectorBytes, kSectorBytes) == 0;
            });
        ASSERT_TRUE(found) << where << ": sector " << i << " holds what was never there";
      }
      if (states_ % 8 != 0) return;
      // The image goes on being written: space that a cut left over shows nothing.
      for (uint64_t i = pick(8); i < shape_.sectors; i += 1 + pick(12)) {
        std::vector<std::byte> sector(kSectorBytes);
        fill(sector.data(), 1 + static_cast<Content>(i));
        ASSERT_EQ(sync.write(i, sector), io::IoStatus::kOk);
        std::copy(sector.begin(), sector.end(),
                  all.begin() + static_cast<ptrdiff_t>(i * kSectorBytes));
      }
    }
    std::vector<std::byte> again(all.size());
    auto disk = chain_.open(kSmall);
    ASSERT_TRUE(disk) << where << ": " << disk.error().message;
    ASSERT_EQ(io::SyncDisk(reactor_, **disk).read(0, again), io::IoStatus::kOk);
    ASSERT_TRUE(again == all) << where << ": written after the cut and not kept";
  }

  io::Reactor& reactor_;
  const Shape& shape_;
  std::minstd_rand random_;
  MemoryChain chain_;
  unsigned seed_;
  Allowed allowed_;
  Content last_content_ = 0;
  size_t states_ = 0;
  Slot slots_[kMaxAtOnce + 2];
};

class VhdCrashTest : public testing::TestWithParam<Shape> {};

TEST_P(VhdCrashTest, EveryCutLeavesAnImageThatOpensWithAllThatWasFlushed) {
  auto reactor = std::move(*io::Reactor::create());
  size_t states = 0;
  for (unsigned seed = 1; seed <= GetParam().seeds; ++seed) {
    states += Workload(*reactor, GetParam(), seed * 7919).run();
    ASSERT_FALSE(HasFailure()) << "seed " << seed;
  }
  std::printf("%zu states after a cut\n", states);
  RecordProperty("states", std::to_string(states));
  EXPECT_GT(states, 1000u);
}

INSTANTIATE_TEST_SUITE_P(Shapes, VhdCrashTest,
                         testing::Values(Shape{"Dynamic", 4096, 150, 1, 6, 60, 12},
                                         Shape{"DynamicTinyBlocks", 512, 60, 1, 6, 60, 12},
                                         Shape{"DynamicLargerBlocks", 65536, 700, 1, 4, 60, 12},
                                         Shape{"Child", 4096, 150, 2, 6, 60, 12},
                                         Shape{"GrandchildLargerBlocks", 65536, 500, 3, 4, 60, 12}),
                         [](const auto& shape) { return std::string(shape.param.name); });

}  // namespace
}  // namespace viridian::vhd
