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

// Starts `request`, which has been checked; false if it is not plain.
bool ChainDisk::start_plain(io::IoRequest& request) noexcept {
  const bool is_read = request.op == io::IoOp::kRead;
  if (!is_read && (request.op != io::IoOp::kWrite || request.fua)) return false;
  const Layer* layer = layers_.data();
  uint64_t offset = request.sector * kSectorBytes;
  if (layer->is_sparse()) {
    if (request.sector_count == 0) return false;
    if (is_read && merged_count_ > 0) {
      const size_t index = first_layer_[layer->block_of(request.sector)].load();
      if (index >= merged_count_) return false;
      layer += index;
      // A parent may be smaller than its child.
      if (request.sector + request.sector_count > layer->sector_count()) return false;
    }
    const uint64_t unit = layer->unit_of(request.sector);
    if (layer->unit_of(request.sector + request.sector_count - 1) != unit) return false;
    const uint32_t place = layer->place(layer->block_of(request.sector));
    if (place == kUnusedEntry || !layer->is_full(unit)) return false;
    offset = layer->data_offset(request.sector, place);
  }
  request.disk = this;
  request.run = [](io::Completion& completion) noexcept {
    auto& self = static_cast<io::IoRequest&>(completion);
    static_cast<ChainDisk*>(self.disk)->end_plain(self);
  };
  const io::FileOp op = is_read ? io::FileOp::kRead : io::FileOp::kWrite;
  if (!layer->file().start_plain(request, op, offset, request.data)) return false;
  written_ |= !is_read;
  request.period = plain_.begin();
  return true;
}

// Called from completions only, so done() does not run inside submit().
void ChainDisk::end_plain(io::IoRequest& request) noexcept {
  if (plain_.end(request.period)) allocator_->operations_ended();
  const int64_t result = request.result;
  if (result == static_cast<int64_t>(request.sector_count * kSectorBytes)) {
    request.status = io::IoStatus::kOk;
  } else if (result >= 0 || result == -EAGAIN || result == -EINTR) {
    start_or_wait(request);
    return;
  } else {
    request.status = status_of(static_cast<int>(-result));
  }
  request.done(request);
}

}  // namespace viridian::vhd
