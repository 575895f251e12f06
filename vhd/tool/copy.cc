#include "vhd/tool/copy.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "base/checked.h"
#include "vhd/tool/aligned_buffer.h"
#include "vhd/tool/interrupt.h"
#include "vhd/tool/zero_scan.h"

namespace viridian::vhd::tool {
namespace {

class Copier {
 public:
  Copier(DiskSource& source, DiskTarget& target, Progress& progress)
      : source_(source), target_(target), progress_(progress) {}

  void work() {
    const AlignedBuffer buffer(kPieceBytes);
    std::vector<Run> runs;
    Piece piece;
    piece.buffer = buffer.span();
    for (uint64_t ticket = 0; take(piece, ticket);) {
      runs.clear();
      auto done = source_.read(piece);
      if (done) find_runs(piece, runs);
      {
        std::unique_lock lock(order_);
        turn_came_.wait(lock, [&] { return turn_ == ticket; });
        if (done) done = place(piece, runs);
        ++turn_;
      }
      turn_came_.notify_all();
      for (size_t i = 0; done && i < runs.size(); ++i)
        done = target_.write(runs[i]);
      if (!done) fail_with(std::move(done).error());
    }
  }

  Result<CopyResult> result() {
    if (interrupted()) return fail(ErrorKind::kIo, "interrupted; nothing of the new image is left");
    if (failure_) return Unexpected(std::move(*failure_));
    return result_;
  }

 private:
  // The next piece and its place in the order.
  bool take(Piece& piece, uint64_t& ticket) {
    const std::lock_guard lock(next_);
    if (ended_ || interrupted()) return false;
    const auto more = source_.next(piece);
    if (!more && !failure_) failure_ = more.error();
    ended_ = !more || !*more;
    ticket = tickets_;
    if (!ended_) ++tickets_;
    return !ended_;
  }

  static void find_runs(const Piece& piece, std::vector<Run>& runs) {
    // A direct write is of whole pages: what follows the disk's last sector is nobody's old data.
    const size_t padded = std::min(align_up<size_t>(piece.length, kPieceAlignment), kPieceBytes);
    const auto rest = piece.buffer.subspan(piece.length, padded - piece.length);
    std::fill(rest.begin(), rest.end(), std::byte{0});
    const std::span<const std::byte> bytes = piece.buffer.first(piece.length);
    for_each_run(bytes, [&](size_t offset, size_t length) {
      runs.push_back({piece.offset + offset, bytes.subspan(offset, length)});
    });
  }

  Result<void> place(const Piece& piece, std::span<const Run> runs) {
    for (const Run& run : runs) {
      VIRIDIAN_TRY(target_.place(run));
      result_.written_bytes += run.data.size();
    }
    result_.read_bytes += piece.length;
    result_.end_bytes = piece.offset + piece.length;
    progress_.update(result_.end_bytes, result_.read_bytes);
    return {};
  }

  void fail_with(Error error) {
    const std::lock_guard lock(next_);
    if (!failure_) failure_ = std::move(error);
    ended_ = true;
  }

  DiskSource& source_;
  DiskTarget& target_;
  Progress& progress_;

  std::mutex next_;  // the source's next(), and what is with it
  bool ended_ = false;
  uint64_t tickets_ = 0;
  std::optional<Error> failure_;

  std::mutex order_;  // the target's place(), and what is with it
  std::condition_variable turn_came_;
  uint64_t turn_ = 0;
  CopyResult result_;
};

}  // namespace

Result<CopyResult> copy_disk(DiskSource& source, DiskTarget& target, Progress& progress,
                             unsigned threads) {
  Copier copier(source, target, progress);
  if (threads == 0) threads = source.threads();
  {
    std::vector<std::jthread> helpers;
    try {
      while (helpers.size() + 1 < threads)
        helpers.emplace_back([&] { copier.work(); });
    } catch (const std::system_error&) {
      // Fewer threads do the same work.
    }
    copier.work();
  }
  return copier.result();
}

}  // namespace viridian::vhd::tool
