// 10,000 random sequences of operations against a flat model, with reopen: fixed, dynamic and
// differencing disks of depth 1 to 64, blocks of 512 bytes to 64 MiB, sizes that are no multiple of
// a block, small pools so that everything that can be waited for is waited for, completions out of
// order. VIRIDIAN_TEST_FACTOR=10 makes it 100,000. A failure names its seed.
#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "tests/conformance/sync_disk.h"
#include "tests/support/memory_chain.h"
#include "tests/support/test_factor.h"

namespace viridian::vhd {
namespace {

constexpr size_t kMaxAtOnce = 6;

constexpr uint64_t kMaxTransfer = 8192;  // sectors
constexpr size_t kPiece = 4 << 20;       // of a disk that is compared with the model

struct Shape {
  uint32_t block_size;
  uint64_t max_sectors;  // of the disk
  unsigned sequences;
  unsigned steps;  // of each
  unsigned max_depth;
};

struct Slot : io::IoRequest {
  std::vector<std::byte> bytes;
  iovec parts[2];
  bool ended = true;
};

class Model {
 public:
  Model(io::Reactor& reactor, const Shape& shape, unsigned seed)
      : reactor_(reactor), shape_(shape), random_(seed), chain_(reactor), seed_(seed) {}

  void run() {
    // Mostly shallow: a deep chain costs as much as fifty others.
    const unsigned most = pick(50) == 0 ? shape_.max_depth : std::min(shape_.max_depth, 6u);
    const auto depth = static_cast<unsigned>(1 + pick(most));
    for (unsigned layer = 0; layer < depth; ++layer) {
      // Now and then a child is larger than its parent.
      if (layer == 0) sectors_ = 1 + pick(shape_.max_sectors);
      if (layer > 0 && pick(4) == 0) sectors_ += pick(shape_.max_sectors);
      model_.resize(sectors_ * kSectorBytes);
      if (layer == 0 && pick(depth > 1 ? 4 : 8) == 0) {
        chain_.push_fixed(sectors_ * kSectorBytes);
      } else {
        chain_.push(sectors_ * kSectorBytes, block_size(layer));
      }
      if (testing::Test::HasFatalFailure()) return;
      const unsigned times = layer + 1 == depth ? 3 : 1;
      for (unsigned i = 0; i < times && !testing::Test::HasFailure(); ++i)
        run_open();
    }
  }

 private:
  uint64_t pick(uint64_t below) { return random_() % below; }
  // Layers with blocks of different sizes now and then.
  uint32_t block_size(unsigned layer) {
    return layer > 0 && pick(5) == 0 ? 4096u << pick(6) : shape_.block_size;
  }

  void run_open() {
    DiskLimits limits;
    limits.operations = static_cast<uint32_t>(1 + pick(8));
    limits.fragments = static_cast<uint32_t>(1 + pick(8));
    limits.bitmap_slots = static_cast<uint32_t>(2 + pick(30));
    limits.commit_threshold = static_cast<uint32_t>(1 + pick(20));
    limits.growth_bytes = pick(2) * (64 << 10) + pick(4096);
    auto disk = chain_.open(limits);
    ASSERT_TRUE(disk) << disk.error().message;
    for (size_t i = 0; i < chain_.depth(); ++i)
      chain_.file(i).shuffle(static_cast<unsigned>(random_()));
    for (unsigned step = 0; step < shape_.steps && !testing::Test::HasFailure(); ++step)
      run_batch(**disk);
    check_all(**disk);
  }

  // Several requests at once that do not touch one another's sectors, then the check of reads.
  void run_batch(ChainDisk& disk) {
    const size_t count = 1 + pick(kMaxAtOnce);
    uint64_t from = pick(sectors_);
    size_t used = 0;
    for (; used < count && from < sectors_; ++used) {
      static constexpr io::IoOp kOps[] = {
          io::IoOp::kRead,    io::IoOp::kRead,        io::IoOp::kWrite, io::IoOp::kWrite,
          io::IoOp::kDiscard, io::IoOp::kWriteZeroes, io::IoOp::kFlush, io::IoOp::kWrite};
      slots_[used].op = kOps[pick(std::size(kOps))];
      uint64_t most = pick(8) == 0 ? sectors_ : 1 + pick(2 * shape_.block_size / 512 + 20);
      if (moves_data(slots_[used])) most = std::min(most, kMaxTransfer);
      const uint64_t length = 1 + pick(std::min(sectors_ - from, most));
      prepare(slots_[used], from, length);
      from += length + pick(8);
    }
    for (size_t i = 0; i < used; ++i)
      disk.submit(slots_[i]);
    reactor_.run_until([&] {
      return std::all_of(slots_, slots_ + used, [](const Slot& slot) { return slot.ended; });
    });
    for (size_t i = 0; i < used; ++i)
      settle(disk, slots_[i]);
  }

  static bool moves_data(const Slot& slot) {
    return slot.op == io::IoOp::kRead || slot.op == io::IoOp::kWrite;
  }

  void prepare(Slot& slot, uint64_t sector, uint64_t sectors) {
    slot.fua = pick(10) == 0;
    slot.sector = sector;
    slot.sector_count = sectors;
    slot.data = {};
    slot.bytes.assign(moves_data(slot) ? sectors * kSectorBytes : 0, std::byte{0xEE});
    if (slot.op == io::IoOp::kWrite) {
      for (size_t i = 0; i < slot.bytes.size(); i += 8) {
        const uint64_t value = ++written_ * 0x9e3779b97f4a7c15ull;
        std::memcpy(slot.bytes.data() + i, &value, 8);
      }
    }
    if (moves_data(slot)) {
      const size_t cut = pick(slot.bytes.size() + 1);
      slot.parts[0] = {slot.bytes.data(), cut};
      slot.parts[1] = {slot.bytes.data() + cut, slot.bytes.size() - cut};
      slot.data = slot.parts;
    }
    slot.ended = false;
    slot.done = [](io::IoRequest& self) noexcept { static_cast<Slot&>(self).ended = true; };
  }

  void settle(ChainDisk& disk, Slot& slot) {
    ASSERT_EQ(slot.status, io::IoStatus::kOk);
    std::byte* at = model_.data() + slot.sector * kSectorBytes;
    const size_t length = slot.sector_count * kSectorBytes;
    switch (slot.op) {
      case io::IoOp::kRead:
        ASSERT_EQ(std::memcmp(at, slot.bytes.data(), length), 0) << where(slot);
        break;
      case io::IoOp::kWrite:
        std::memcpy(at, slot.bytes.data(), length);
        break;
      case io::IoOp::kWriteZeroes:
        std::memset(at, 0, length);
        break;
      case io::IoOp::kDiscard: {
        // Each sector is as it was, or zero, and stays so.
        std::vector<std::byte> now(length);
        ASSERT_EQ(io::SyncDisk(reactor_, disk).read(slot.sector, now), io::IoStatus::kOk);
        const std::vector<std::byte> zero(kSectorBytes);
        for (size_t i = 0; i < length; i += kSectorBytes) {
          const bool old = std::memcmp(at + i, now.data() + i, kSectorBytes) == 0;
          ASSERT_TRUE(old || std::memcmp(zero.data(), now.data() + i, kSectorBytes) == 0)
              << where(slot);
        }
        std::memcpy(at, now.data(), length);
        break;
      }
      case io::IoOp::kFlush:
        break;
    }
  }

  void check_all(ChainDisk& disk) {
    for (size_t at = 0; at < model_.size() && !testing::Test::HasFailure(); at += kPiece) {
      std::vector<std::byte> piece(std::min(kPiece, model_.size() - at));
      ASSERT_EQ(io::SyncDisk(reactor_, disk).read(at / kSectorBytes, piece), io::IoStatus::kOk);
      ASSERT_EQ(std::memcmp(piece.data(), model_.data() + at, piece.size()), 0)
          << "seed " << seed_ << " block size " << shape_.block_size << " offset " << at;
    }
  }

  std::string where(const Slot& slot) const {
    return "seed " + std::to_string(seed_) + " block size " + std::to_string(shape_.block_size) +
           " op " + std::to_string(static_cast<int>(slot.op)) + " sector " +
           std::to_string(slot.sector) + "+" + std::to_string(slot.sector_count);
  }

  io::Reactor& reactor_;
  const Shape& shape_;
  std::minstd_rand random_;
  MemoryChain chain_;
  unsigned seed_;
  uint64_t sectors_ = 0;
  uint64_t written_ = 0;
  std::vector<std::byte> model_;
  Slot slots_[kMaxAtOnce];
};

class ModelTest : public testing::TestWithParam<Shape> {};

TEST_P(ModelTest, DiskBehavesLikeFlatMemory) {
  const Shape& shape = GetParam();
  auto reactor = std::move(*io::Reactor::create());
  for (unsigned seed = 1; seed <= scaled(shape.sequences); ++seed) {
    Model(*reactor, shape, seed * 7919 + shape.block_size).run();
    ASSERT_FALSE(HasFailure()) << "sequence " << seed;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, ModelTest,
    testing::Values(Shape{512, 200, 3600, 10, 64}, Shape{4096, 900, 3500, 10, 64},
                    Shape{64 << 10, 3000, 2000, 8, 64}, Shape{512 << 10, 6000, 600, 8, 16},
                    Shape{2 << 20, 20000, 200, 8, 6}, Shape{4 << 20, 30000, 80, 8, 4},
                    Shape{16 << 20, 80000, 12, 8, 3}, Shape{64 << 20, 200000, 8, 6, 2}),
    [](const auto& shape) { return "Blocks" + std::to_string(shape.param.block_size); });

}  // namespace
}  // namespace viridian::vhd
