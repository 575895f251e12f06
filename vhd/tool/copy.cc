#include "vhd/tool/copy.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>

#include "base/checked.h"
#include "vhd/tool/interrupt.h"

namespace viridian::vhd::tool {
namespace {

constexpr size_t kSlots = 8;
constexpr size_t kPieceBytes = 1u << 20;
constexpr size_t kZeroUnit = 64 * 1024;  // a run of zeroes shorter than this is written
constexpr uint64_t kSector = io::kSectorSize;

bool all_zero(std::span<const std::byte> bytes) {
  return bytes.empty() || (bytes.front() == std::byte{0} &&
                           std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

std::string_view text_of(io::IoStatus status) {
  switch (status) {
    case io::IoStatus::kNoSpace:
      return "the file system is full";
    case io::IoStatus::kMediumError:
      return "the host could not read or write";
    default:
      return "the disk refused the request";
  }
}

class Copier;

// One buffer on its way: read, then written in one or more runs.
struct Slot : io::IoRequest {
  Copier* copier = nullptr;
  std::unique_ptr<std::byte[]> buffer;
  iovec part{};
  uint64_t start = 0;  // bytes, of the disk
  size_t length = 0;
  size_t looked_at = 0;  // bytes of the buffer that are judged, and written if need be
};

class Copier {
 public:
  Copier(io::Reactor& reactor, io::BlockDevice& source, io::BlockDevice& target,
         std::span<const Range> ranges, Progress& progress)
      : reactor_(reactor), source_(source), target_(target), ranges_(ranges), progress_(progress) {}

  Result<CopyResult> run() {
    for (Slot& slot : slots_) {
      slot.copier = this;
      slot.buffer = std::make_unique<std::byte[]>(kPieceBytes);
      read_next(slot);
    }
    reactor_.run_until([this] { return busy_ == 0; });
    if (failure_.empty() && !interrupted()) flush();
    if (interrupted()) return fail(ErrorKind::kIo, "interrupted; the new image is removed");
    if (!failure_.empty()) return fail(ErrorKind::kIo, "{}", failure_);
    return result_;
  }

 private:
  void read_next(Slot& slot) {
    while (!ranges_.empty() && ranges_.front().length == at_)
      next_range();
    if (ranges_.empty() || !failure_.empty() || interrupted()) return;
    const Range& range = ranges_.front();
    slot.start = align_down(range.offset + at_, kSector);
    slot.length = std::min<uint64_t>(kPieceBytes, range.offset + range.length - slot.start);
    slot.length = align_up<size_t>(slot.length, kSector);
    at_ = std::min(slot.start + slot.length - range.offset, range.length);
    slot.looked_at = 0;
    ++busy_;
    result_.read_bytes += slot.length;
    submit(slot, source_, io::IoOp::kRead, 0, slot.length);
  }
  void next_range() {
    ranges_ = ranges_.subspan(1);
    at_ = 0;
  }

  void submit(Slot& slot, io::BlockDevice& disk, io::IoOp op, size_t skip, size_t length) {
    slot.part = {slot.buffer.get() + skip, length};
    slot.op = op;
    slot.sector = (slot.start + skip) / kSector;
    slot.sector_count = length / kSector;
    slot.data = {&slot.part, 1};
    slot.done = [](io::IoRequest& request) noexcept {
      auto& self = static_cast<Slot&>(request);
      self.copier->on_done(self);
    };
    disk.submit(slot);
  }

  void on_done(Slot& slot) {
    if (slot.status != io::IoStatus::kOk && failure_.empty()) {
      failure_ = fmt::format("{} {} bytes at offset {}: {}",
                             slot.op == io::IoOp::kRead ? "reading" : "writing", slot.part.iov_len,
                             slot.sector * kSector, text_of(slot.status));
    }
    if (failure_.empty() && !interrupted() && write_next(slot)) return;
    --busy_;
    progress_.update(slot.start + slot.length, result_.read_bytes);
    read_next(slot);
  }

  // Writes the slot's next run that is not zero; false if there is none.
  bool write_next(Slot& slot) {
    const std::span<const std::byte> bytes(slot.buffer.get(), slot.length);
    const auto zero_at = [&](size_t at) {
      return all_zero(bytes.subspan(at, std::min(kZeroUnit, bytes.size() - at)));
    };
    size_t from = slot.looked_at;
    while (from < bytes.size() && zero_at(from))
      from += kZeroUnit;
    size_t to = std::min(from, bytes.size());
    while (to < bytes.size() && !zero_at(to))
      to = std::min(to + kZeroUnit, bytes.size());
    slot.looked_at = to;
    if (from >= to) return false;
    result_.written_bytes += to - from;
    submit(slot, target_, io::IoOp::kWrite, from, to - from);
    return true;
  }

  void flush() {
    bool ended = false;
    struct Wait : io::IoRequest {
      bool* ended = nullptr;
    } wait;
    wait.op = io::IoOp::kFlush;
    wait.ended = &ended;
    wait.done = [](io::IoRequest& self) noexcept { *static_cast<Wait&>(self).ended = true; };
    target_.submit(wait);
    reactor_.run_until([&] { return ended; });
    if (wait.status != io::IoStatus::kOk) {
      failure_ = fmt::format("making it durable: {}", text_of(wait.status));
    }
  }

  io::Reactor& reactor_;
  io::BlockDevice& source_;
  io::BlockDevice& target_;
  std::span<const Range> ranges_;  // the first one is in work, `at_` bytes of it are given out
  uint64_t at_ = 0;
  Progress& progress_;
  std::array<Slot, kSlots> slots_;
  size_t busy_ = 0;
  std::string failure_;
  CopyResult result_;
};

}  // namespace

Result<CopyResult> copy_disk(io::Reactor& reactor, io::BlockDevice& source, io::BlockDevice& target,
                             std::span<const Range> ranges, Progress& progress) {
  return Copier(reactor, source, target, ranges, progress).run();
}

}  // namespace viridian::vhd::tool
