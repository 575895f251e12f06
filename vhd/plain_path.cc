// ChainDisk: a read, or an overwrite of sectors whose bits are set, that lies in one place of one
// file and asks for nothing else. It is most of what a guest does, so it takes neither an operation
// nor a fragment: the request itself is what the kernel completes.
//
// Whatever is not as simple, from the start or because the kernel did only a part of it, becomes
// an operation. The transfer is then made again from its first byte: its bytes are the same, and
// the place is looked up anew.
#include <cerrno>

#include "vhd/chain_disk.h"

namespace viridian::vhd {

// Of a request that may be wrong in any way.
[[gnu::always_inline]] inline ChainDisk::PlainPlace ChainDisk::plain_place(
    const io::IoRequest& request) const noexcept {
  constexpr PlainPlace kNone = {nullptr, 0};
  const bool is_read = request.op == io::IoOp::kRead;
  if (!is_read && (request.op != io::IoOp::kWrite || request.fua || info_.read_only)) return kNone;
  const uint64_t sector = request.sector;
  const uint64_t count = request.sector_count;
  if (count == 0 || !range_within(sector, count, info_.sector_count)) return kNone;
  const Layer* layer = layers_.data();
  if (!layer->is_sparse()) return {layer, sector * kSectorBytes};
  const uint64_t block = layer->block_of(sector);
  if (is_read && merged_count_ > 0) {
    const size_t index = first_layer_[block].load();
    if (index >= merged_count_) return kNone;
    layer += index;
    if (sector + count > layer->sector_count()) return kNone;  // smaller than its child
  }
  const uint64_t unit = layer->unit_of(sector);
  if (layer->unit_of(sector + count - 1) != unit) return kNone;
  const uint32_t place = layer->place(block);
  if (place == kUnusedEntry || !layer->is_full(unit)) return kNone;
  return {layer, layer->data_offset(sector, place)};
}

// Calls nothing before its end where the request is plain, so nothing has to be saved.
void ChainDisk::submit(io::IoRequest& request) noexcept {
  const PlainPlace place = plain_place(request);
  if (place.layer == nullptr) [[unlikely]]
    return submit_other(request);
  const io::PlainLane* lane = place.layer->lane();
  if (lane == nullptr || request.data.size() != 1) [[unlikely]]
    return submit_to_file(request, place);
  const io::FileOp op = request.op == io::IoOp::kRead ? io::FileOp::kRead : io::FileOp::kWrite;
  take_plain(request);
  if (!lane->start(request, op, place.offset, request.data[0], request.sector_count * kSectorBytes))
      [[unlikely]] {
    return submit_other(request);
  }
  note_plain(request);
}

inline void ChainDisk::take_plain(io::IoRequest& request) noexcept {
  request.disk = this;
  request.run = [](io::Completion& completion) noexcept {
    auto& self = static_cast<io::IoRequest&>(completion);
    static_cast<ChainDisk*>(self.disk)->end_plain(self);
  };
}

// It has been started.
inline void ChainDisk::note_plain(io::IoRequest& request) noexcept {
  // Without an allocator no space is freed, and nothing needs a count.
  if (allocator_) request.period = plain_.begin();
  if (request.op != io::IoOp::kRead) written_ = true;
}

void ChainDisk::submit_to_file(io::IoRequest& request, PlainPlace place) noexcept {
  const io::FileOp op = request.op == io::IoOp::kRead ? io::FileOp::kRead : io::FileOp::kWrite;
  take_plain(request);
  if (place.layer->file().start_plain(request, op, place.offset, request.data,
                                      request.sector_count * kSectorBytes)) {
    note_plain(request);
  } else {
    submit_other(request);
  }
}

[[gnu::noinline]] void ChainDisk::submit_other(io::IoRequest& request) noexcept {
  const io::IoStatus status = io::check_request(request, info_);
  if (status != io::IoStatus::kOk) {
    io::finish(reactor_, request, status);
  } else {
    start_or_wait(request);
  }
}

// Called from completions only, so done() does not run inside submit().
inline void ChainDisk::end_plain(io::IoRequest& request) noexcept {
  const bool period_is_over = allocator_ && plain_.end(request.period);
  const uint64_t bytes = request.sector_count * kSectorBytes;
  if (period_is_over || static_cast<uint64_t>(request.result) != bytes) [[unlikely]] {
    return end_other(request, period_is_over);
  }
  request.status = io::IoStatus::kOk;
  request.done(request);
}

[[gnu::noinline]] void ChainDisk::end_other(io::IoRequest& request, bool period_is_over) noexcept {
  if (period_is_over) allocator_->operations_ended();
  const int64_t result = request.result;
  if (result == static_cast<int64_t>(request.sector_count * kSectorBytes)) {
    request.status = io::IoStatus::kOk;
    request.done(request);
  } else if (result >= 0 || result == -EAGAIN || result == -EINTR) {
    start_or_wait(request);
  } else {
    request.status = status_of(static_cast<int>(-result));
    request.done(request);
  }
}

}  // namespace viridian::vhd
