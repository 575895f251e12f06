#include "vhd/chain_disk.h"

#include <algorithm>
#include <cstring>
#include <limits>

namespace viridian::vhd {
namespace {

// Steps without waiting after which an operation lets others run: a request to zero a whole disk
// walks over all of its blocks.
constexpr unsigned kStepsPerTurn = 1024;

constexpr uint32_t kFlatDiscardSectors = 8;  // 4 KiB, the unit of most file systems

bool is_sparse(const Image& image) { return image.block_size != 0; }

// No more slots than there are bitmaps, and a few for hash and clock to work with.
uint32_t slots_for(std::span<const ChainDisk::Part> parts, const DiskLimits& limits) {
  constexpr uint64_t kFewest = 16;
  uint64_t units = 0;
  for (const ChainDisk::Part& part : parts) {
    if (!is_sparse(part.image)) continue;
    const uint64_t per_block =
        div_ceil<uint64_t>(part.image.block_size / kSectorBytes, uint64_t{1} << kMaxUnitShift);
    units += part.image.bat.size() * per_block;
  }
  if (units == 0) return 0;
  const uint64_t most = std::min(limits.bitmap_slots, kBitmapSlots);
  return static_cast<uint32_t>(std::min(std::max(units, kFewest), most));
}

}  // namespace

Result<std::unique_ptr<ChainDisk>> ChainDisk::create(io::Reactor& reactor, std::vector<Part> parts,
                                                     bool read_only, const DiskLimits& limits) {
  read_only |= parts.front().image.read_only || parts.front().file->read_only();
  std::unique_ptr<ChainDisk> disk(new ChainDisk(reactor, parts, read_only, limits));  // set-up
  if (!read_only) VIRIDIAN_TRY(disk->prepare_for_writing(parts.front().image));
  return disk;
}

// Takes the files and the tables of `parts`.
ChainDisk::ChainDisk(io::Reactor& reactor, std::span<Part> parts, bool read_only,
                     const DiskLimits& limits)
    : reactor_(reactor),
      limits_(limits),
      cache_(slots_for(parts, limits)),
      operations_(limits.operations),
      fragments_(limits.fragments),
      grace_(reactor, grace_ended_) {
  index_first_layers(parts);
  for (Part& part : parts) {
    layers_.emplace_back(std::move(part.file), part.image);
    locks_.push_back(std::move(part.lock));
  }
  const Image& leaf = parts.front().image;
  Layer& top = layers_[0];
  info_.sector_count = top.sector_count();
  info_.physical_sector_size = kDataAlignment;
  info_.read_only = read_only;
  info_.unique_id = leaf.unique_id;
  if (!read_only) {
    info_.discard_granularity = top.is_sparse() ? 1u << top.block_shift() : kFlatDiscardSectors;
    if (top.is_sparse()) {
      Allocator::Owner& space_owner = *this;
      allocator_ =
          std::make_unique<Allocator>(top, leaf, space_owner, limits.growth_bytes);  // set-up
    }
  }
  Committer::Owner& owner = *this;
  committer_ = std::make_unique<Committer>(top, cache_, allocator_.get(), owner);  // set-up
  for (Operation& operation : operations_) {
    operation.disk = this;
    free_operations_.push_back(operation);
  }
  for (Fragment& fragment : fragments_) {
    fragment.disk = this;
    free_fragments_.push_back(fragment);
  }
  pump_.disk = grace_ended_.disk = timer_.disk = timer_cancel_.disk = this;
  pump_.run = [](io::Completion& completion) noexcept {
    static_cast<OwnCompletion&>(completion).disk->pump_requests();
  };
  grace_ended_.run = [](io::Completion& completion) noexcept {
    ChainDisk& disk = *static_cast<OwnCompletion&>(completion).disk;
    disk.grace_.woken();
    if (disk.allocator_) disk.allocator_->operations_ended();
  };
}

// The leaf's first changes, made before any of the guest's: a map of full blocks that nobody will
// maintain is taken away, and damaged footers are made whole.
Result<void> ChainDisk::prepare_for_writing(const Image& image) {
  io::File& file = layers_[0].file();
  const bool sparse = layers_[0].is_sparse();
  if (image.batmap) {
    constexpr Cookie kNoCookie = {};
    VIRIDIAN_TRY(file.write_at(image.batmap->header_offset, std::as_bytes(std::span(kNoCookie))));
  }
  if (image.footers_damaged) {
    VIRIDIAN_TRY(file.write_at(image.footer_offset, wire_bytes(image.footer)));
    if (sparse) VIRIDIAN_TRY(file.write_at(0, wire_bytes(image.footer)));
  }
  if (image.batmap || image.footers_damaged) return file.sync();
  return {};
}

// From the last layer to the first, each over what lies behind it.
void ChainDisk::index_first_layers(std::span<const Part> parts) {
  if (parts.size() < 2) return;
  const Image& leaf = parts.front().image;
  while (merged_count_ < parts.size() && is_sparse(parts[merged_count_].image) &&
         parts[merged_count_].image.block_size == leaf.block_size) {
    ++merged_count_;
  }
  const size_t count = leaf.bat.size();
  constexpr uint32_t kMostLayers = std::numeric_limits<uint8_t>::max();
  first_layer_ = PublishedArray<uint8_t>(count);
  const auto nowhere = static_cast<uint8_t>(std::min(merged_count_, kMostLayers));
  for (size_t i = 0; i < count; ++i)
    first_layer_[i].store(nowhere);
  for (uint32_t layer = merged_count_; layer-- > 0;) {
    const Image& image = parts[layer].image;
    // A block that a layer holds only in part, because the layer ends in it, is that layer's too:
    // behind the end of a parent is nothing.
    const size_t whole = std::min<size_t>(image.size_bytes / image.block_size, count);
    const auto value = static_cast<uint8_t>(layer);
    for (size_t i = whole; i < count; ++i)
      first_layer_[i].store(value);
    for (size_t i = image.bat.next_used(0); i < whole; i = image.bat.next_used(i + 1))
      first_layer_[i].store(value);
  }
}

void ChainDisk::start_or_wait(io::IoRequest& request) noexcept {
  if (free_operations_.empty() || !request_waiters_.empty()) {
    request_waiters_.push_back(request);
  } else {
    start(request, take_first(free_operations_));
  }
}

void ChainDisk::start(io::IoRequest& request, Operation& operation) noexcept {
  const bool flush = request.op == io::IoOp::kFlush;
  operation.request = &request;
  operation.sector = flush ? 0 : request.sector;
  operation.end = flush ? 0 : request.sector + request.sector_count;
  operation.layer = 0;
  operation.known_sectors = 0;
  operation.part = 0;
  operation.skip = 0;
  operation.sequence = next_sequence_++;
  operation.outstanding = 0;
  operation.needs_commit = flush && !info_.read_only;
  operation.status = io::IoStatus::kOk;
  in_flight_.push_back(operation);
  advance(operation);
}

void ChainDisk::advance(Operation& operation) noexcept {
  unsigned steps = 0;
  while (operation.status == io::IoStatus::kOk && operation.sector < operation.end) {
    if (++steps > kStepsPerTurn) {
      operation.parked = true;
      operation.run = [](io::Completion& completion) noexcept {
        auto& self = static_cast<Operation&>(completion);
        self.parked = false;
        self.disk->advance(self);
      };
      reactor_.defer(operation);
      return;
    }
    Step step = Step::kNext;
    switch (operation.request->op) {
      case io::IoOp::kRead:
        step = read_step(operation);
        break;
      case io::IoOp::kWrite:
        step = write_step(operation);
        break;
      case io::IoOp::kDiscard:
      case io::IoOp::kWriteZeroes:
        step = zero_step(operation);
        break;
      case io::IoOp::kFlush:
        break;
    }
    if (step == Step::kParked) return;
  }
  maybe_finish(operation);
}

void ChainDisk::maybe_finish(Operation& operation) noexcept {
  if (operation.parked || operation.outstanding > 0) return;
  if (operation.status == io::IoStatus::kOk && operation.needs_commit) {
    operation.needs_commit = false;
    committer_->request(operation);
    return;
  }
  finish_operation(operation, operation.status);
}

void ChainDisk::finish_operation(Operation& operation, io::IoStatus status) noexcept {
  in_flight_.erase(in_flight_.iterator_to(operation));
  io::finish(reactor_, *operation.request, status);
  free_operations_.push_front(operation);
  if (allocator_) {
    allocator_->operations_ended();
    if (!timer_.is_armed && !committer_->is_clean()) arm_timer();
  }
  if (request_waiters_.empty() || pump_.is_armed) return;
  pump_.is_armed = true;
  reactor_.defer(pump_);
}

void ChainDisk::pump_requests() noexcept {
  pump_.is_armed = false;
  while (!request_waiters_.empty() && !free_operations_.empty()) {
    auto& request = static_cast<io::IoRequest&>(request_waiters_.front());
    request_waiters_.pop_front();
    start(request, take_first(free_operations_));
  }
}

// Ends an operation that is on no list, when its fragments have ended.
void ChainDisk::fail(Operation& operation, io::IoStatus status) noexcept {
  operation.status = status;
}

void ChainDisk::resume_all(WaitList& list) noexcept {
  WaitList now;
  now.swap(list);
  while (!now.empty())
    advance(take_first(now));
}

// Until one finds no slot again: those behind it would not either.
void ChainDisk::resume_slot_waiters() noexcept {
  WaitList now;
  now.swap(slot_waiters_);
  while (!now.empty() && slot_waiters_.empty())
    advance(take_first(now));
  slot_waiters_.splice_after(slot_waiters_.last(), now);
}

void ChainDisk::resume_fragment_waiters() noexcept {
  while (!fragment_waiters_.empty() && !free_fragments_.empty())
    advance(take_first(fragment_waiters_));
}

Fragment* ChainDisk::take_fragment(Operation& operation) noexcept {
  if (free_fragments_.empty()) {
    park(fragment_waiters_, operation);
    return nullptr;
  }
  auto& fragment = static_cast<Fragment&>(free_fragments_.front());
  free_fragments_.pop_front();
  fragment.operation = &operation;
  fragment.slot = nullptr;
  return &fragment;
}

// Moves the operation's place in its sectors and in its data.
void ChainDisk::move_on(Operation& operation, uint64_t sectors) noexcept {
  operation.sector += sectors;
  operation.layer = 0;
  operation.known_sectors = 0;
  const std::span<const iovec> data = operation.request->data;
  uint64_t bytes = sectors * kSectorBytes;
  while (bytes > 0 && operation.part < data.size()) {
    const uint64_t left = data[operation.part].iov_len - operation.skip;
    if (bytes < left) {
      operation.skip += bytes;
      return;
    }
    bytes -= left;
    operation.skip = 0;
    ++operation.part;
  }
}

void ChainDisk::start_transfer(Operation& operation, Fragment& fragment, io::FileOp op,
                               Layer& layer, uint64_t offset, uint64_t sectors) noexcept {
  const io::IoRequest& request = *operation.request;
  fragment.op = op;
  fragment.offset = offset;
  fragment.length = sectors * kSectorBytes;
  fragment.data = {};
  if (operation.part < request.data.size()) fragment.data = request.data.subspan(operation.part);
  fragment.skip = operation.skip;
  fragment.durable = false;
  written_ |= op != io::FileOp::kRead;
  if (request.fua && op != io::FileOp::kRead) {
    // Durable data is enough if the metadata that leads to it is durable already.
    fragment.durable =
        op == io::FileOp::kWrite && fragment.slot == nullptr && committer_->is_clean();
    operation.needs_commit |= !fragment.durable;
  }
  fragment.done = [](io::FileRequest& self) noexcept {
    auto& ended = static_cast<Fragment&>(self);
    ended.disk->on_fragment(ended);
  };
  ++operation.outstanding;
  move_on(operation, sectors);
  layer.file().submit(fragment);
}

void ChainDisk::on_fragment(Fragment& fragment) noexcept {
  Operation& operation = *fragment.operation;
  BitmapSlot* slot = fragment.slot;
  if (slot != nullptr) {
    --slot->pins;
    if (fragment.error == 0) note_written(fragment);
  }
  if (fragment.error != 0) operation.status = status_of(fragment.error);
  free_fragments_.push_front(fragment);
  --operation.outstanding;
  maybe_finish(operation);
  resume_fragment_waiters();
  if (slot == nullptr || slot_waiters_.empty()) return;
  if (committer_->failed()) {
    on_commit_end(io::IoStatus::kMediumError);  // no slot will ever be clean again
  } else if (slot->dirty) {
    committer_->start_unasked();  // its end resumes those who wait
  } else {
    resume_slot_waiters();
  }
}

ChainDisk::Step ChainDisk::load_bitmap(Operation& operation, uint32_t index,
                                       uint64_t unit) noexcept {
  BitmapSlot* slot = cache_.find(index, unit);
  if (slot != nullptr) {  // being loaded
    park(slot->waiting, operation);
    return Step::kParked;
  }
  Fragment* fragment = take_fragment(operation);
  if (fragment == nullptr) return Step::kParked;
  slot = cache_.take(index, unit);
  if (slot == nullptr) {
    free_fragments_.push_front(*fragment);
    return park_for_slot(operation);
  }
  const Layer& layer = layers_[index];
  ++slot->pins;
  park(slot->waiting, operation);
  fragment->operation = nullptr;
  fragment->slot = slot;
  fragment->place = layer.place(layer.block_of_unit(unit));
  fragment->memory = {slot->bits, kSectorBytes};
  fragment->op = io::FileOp::kRead;
  fragment->offset = layer.bitmap_offset(unit, fragment->place);
  fragment->length = kSectorBytes;
  fragment->data = {&fragment->memory, 1};
  fragment->skip = 0;
  fragment->done = [](io::FileRequest& self) noexcept {
    auto& ended = static_cast<Fragment&>(self);
    ended.disk->on_loaded(ended);
  };
  layer.file().submit(*fragment);
  return Step::kParked;
}

void ChainDisk::on_loaded(Fragment& fragment) noexcept {
  BitmapSlot& slot = *fragment.slot;
  Layer& layer = layers_[slot.layer];
  --slot.pins;
  free_fragments_.push_front(fragment);
  WaitList waiting;
  waiting.swap(slot.waiting);
  if (fragment.error != 0) {
    cache_.drop(slot);
    while (!waiting.empty()) {
      Operation& operation = take_first(waiting);
      fail(operation, status_of(fragment.error));
      maybe_finish(operation);
    }
  } else {
    // A discard took the block's space away while its bitmap was being read.
    if (layer.place(layer.block_of_unit(slot.unit)) != fragment.place) {
      std::memset(slot.bits, 0, kSectorBytes);
    }
    slot.state = BitmapSlot::State::kReady;
    const uint32_t all = layer.unit_sectors(slot.unit);
    const BitRun run = run_of_bits(slot.bits, 0, all);
    if (run.set && run.length == all) layer.set_full(slot.unit, true);
    resume_all(waiting);
  }
  resume_fragment_waiters();
  resume_slot_waiters();
}

ChainDisk::Step ChainDisk::park_for_slot(Operation& operation) noexcept {
  if (committer_->failed()) {
    fail(operation, io::IoStatus::kMediumError);
    return Step::kNext;
  }
  park(slot_waiters_, operation);
  if (cache_.dirty_count() > 0) committer_->start_unasked();
  return Step::kParked;
}

void ChainDisk::on_space(int error) noexcept {
  if (error == 0) {
    resume_all(space_waiters_);
    return;
  }
  WaitList failed;
  failed.swap(space_waiters_);
  while (!failed.empty()) {
    Operation& operation = take_first(failed);
    fail(operation, status_of(error));
    maybe_finish(operation);
  }
}

uint64_t ChainDisk::oldest_operation() const noexcept {
  return in_flight_.empty() ? next_sequence_ : in_flight_.front().sequence;
}

void ChainDisk::on_committed(Operation& operation, io::IoStatus status) noexcept {
  finish_operation(operation, status);
}

void ChainDisk::on_commit_end(io::IoStatus status) noexcept {
  if (status == io::IoStatus::kOk) {
    resume_slot_waiters();
    return;
  }
  WaitList failed;
  failed.swap(slot_waiters_);
  while (!failed.empty()) {
    Operation& operation = take_first(failed);
    fail(operation, status);
    maybe_finish(operation);
  }
}

}  // namespace viridian::vhd
