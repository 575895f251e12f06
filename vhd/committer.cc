#include "vhd/committer.h"

#include <cerrno>
#include <cstdlib>

namespace viridian::vhd {

io::IoStatus status_of(int error) noexcept {
  if (error == 0) return io::IoStatus::kOk;
  const bool full = error == ENOSPC || error == EDQUOT || error == EFBIG;
  return full ? io::IoStatus::kNoSpace : io::IoStatus::kMediumError;
}

Committer::Committer(Layer& layer, BitmapCache& cache, Allocator* allocator, Owner& owner)
    : layer_(layer),
      cache_(cache),
      allocator_(allocator),
      owner_(owner),
      memory_(nullptr, [](std::byte* memory) { std::free(memory); }) {
  sync_.committer = this;
  sync_.done = [](io::FileRequest& request) noexcept {
    static_cast<Sync&>(request).committer->end_sync();
  };
  if (allocator_ == nullptr) return;
  slots_.reserve(kBitmapSlots);
  sectors_.reserve(div_ceil<uint64_t>(layer.block_count(), kSectorBytes / sizeof(be32)));
  memory_.reset(static_cast<std::byte*>(std::aligned_alloc(4096, kMetadataWrites * kSectorBytes)));
  if (!memory_) std::abort();  // as operator new does without exceptions
  writes_.resize(kMetadataWrites);
  for (size_t i = 0; i < writes_.size(); ++i) {
    Write& write = writes_[i];
    write.committer = this;
    write.memory = memory_.get() + i * kSectorBytes;
    write.op = io::FileOp::kWrite;
    write.length = kSectorBytes;
    write.done = [](io::FileRequest& request) noexcept {
      auto& self = static_cast<Write&>(request);
      self.committer->end_write(self);
    };
    free_writes_.push_back(&write);
  }
}

bool Committer::is_clean() const noexcept {
  return phase_ == Phase::kIdle && cache_.dirty_count() == 0 &&
         (allocator_ == nullptr || !allocator_->table_dirty());
}

void Committer::request(Operation& operation) noexcept {
  waiting_.push_back(operation);
  if (phase_ == Phase::kIdle) start();
}

void Committer::start_unasked() noexcept {
  if (phase_ == Phase::kIdle && !failed_) start();
}

void Committer::start() noexcept {
  running_.swap(waiting_);
  status_ = io::IoStatus::kOk;
  if (failed_) {
    status_ = io::IoStatus::kMediumError;
    end(status_);
    return;
  }
  slots_.clear();
  sectors_.clear();
  next_slot_ = next_sector_ = 0;
  if (allocator_ != nullptr) {
    cache_.snapshot([this](BitmapSlot& slot) {
      const uint32_t place = layer_.place(layer_.block_of_unit(slot.unit));
      if (place == kUnusedEntry) return;  // freed meanwhile
      slot.shadow_place = place;
      slot.committing = true;
      slots_.push_back(&slot);
    });
    allocator_->take_dirty([this](uint32_t sector) { sectors_.push_back(sector); });
    allocator_->commit_started(owner_.next_sequence());
  }
  start_sync(Phase::kFirstSync);
}

void Committer::start_sync(Phase phase) noexcept {
  phase_ = phase;
  if (allocator_ != nullptr) allocator_->sync_started();
  sync_.op = io::FileOp::kDataSync;
  layer_.file().submit(sync_);
}

void Committer::end_sync() noexcept {
  if (allocator_ != nullptr) allocator_->sync_ended(sync_.error == 0);
  if (sync_.error != 0) {
    failed_ = true;
    keep_dirty();
    end(io::IoStatus::kMediumError);
    return;
  }
  if (phase_ == Phase::kSecondSync || (slots_.empty() && sectors_.empty())) {
    end(io::IoStatus::kOk);
    return;
  }
  phase_ = Phase::kWriting;
  start_writes();
}

void Committer::start_writes() noexcept {
  while (!free_writes_.empty() && status_ == io::IoStatus::kOk) {
    Write& write = *free_writes_.back();
    if (next_slot_ < slots_.size()) {
      write.slot = slots_[next_slot_++];
      write.offset = layer_.bitmap_offset(write.slot->unit, write.slot->shadow_place);
      write.data = {&write.slot->shadow_memory, 1};
    } else if (next_sector_ < sectors_.size()) {
      write.slot = nullptr;
      write.table_sector = sectors_[next_sector_++];
      write.offset = layer_.table_offset() + uint64_t{write.table_sector} * kSectorBytes;
      allocator_->fill_table_sector(write.table_sector,
                                    std::span<std::byte, kSectorBytes>(write.memory, kSectorBytes));
      write.part = {write.memory, kSectorBytes};
      write.data = {&write.part, 1};
    } else {
      break;
    }
    free_writes_.pop_back();
    layer_.file().submit(write);
  }
  if (free_writes_.size() < writes_.size()) return;
  if (status_ == io::IoStatus::kOk) {
    start_sync(Phase::kSecondSync);
  } else {
    keep_dirty();
    end(status_);
  }
}

void Committer::end_write(Write& write) noexcept {
  free_writes_.push_back(&write);
  if (write.error != 0 && status_ == io::IoStatus::kOk) status_ = status_of(write.error);
  start_writes();
}

void Committer::keep_dirty() noexcept {
  for (BitmapSlot* slot : slots_) {
    // Whoever freed the block has cleared the bits, which are then what a new place starts with.
    if (layer_.place(layer_.block_of_unit(slot->unit)) == slot->shadow_place) {
      cache_.mark_dirty(*slot);
    }
  }
  constexpr uint32_t kEntries = kSectorBytes / sizeof(be32);
  for (uint32_t sector : sectors_)
    allocator_->mark_dirty(uint64_t{sector} * kEntries);
}

void Committer::end(io::IoStatus status) noexcept {
  for (BitmapSlot* slot : slots_)
    slot->committing = false;
  slots_.clear();
  sectors_.clear();
  if (allocator_ != nullptr) allocator_->commit_ended(status == io::IoStatus::kOk);
  phase_ = Phase::kIdle;
  while (!running_.empty()) {
    auto& operation = static_cast<Operation&>(running_.front());
    running_.pop_front();
    owner_.on_committed(operation, status);
  }
  owner_.on_commit_end(status);
  // Callbacks only deferred what they had to do, so nothing has started a commit meanwhile.
  if (phase_ == Phase::kIdle && !waiting_.empty()) start();
}

}  // namespace viridian::vhd
