#include "vhd/allocator.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace viridian::vhd {
namespace {

constexpr uint32_t kEntriesPerSector = kSectorBytes / sizeof(be32);
constexpr uint64_t kMaxGrowthFactor = 4;
constexpr size_t kGapsAtOnce = 32;

}  // namespace

Allocator::Allocator(Layer& layer, const Image& image, Owner& owner, uint64_t growth_bytes)
    : layer_(layer),
      owner_(owner),
      growth_bytes_(growth_bytes),
      max_growth_bytes_(growth_bytes * kMaxGrowthFactor),
      alignment_(std::min<uint64_t>(kDataAlignment, layer.block_bytes())),
      footer_(image.footer),
      footer_memory_{&footer_, sizeof(footer_)},
      end_(image.data_end),
      zero_end_(image.data_end),
      footer_offset_(image.footer_offset),
      file_end_(image.file_size_bytes),
      unknown_end_(std::max(image.file_size_bytes, image.footer_offset + kSectorBytes)),
      gaps_(image.gaps) {
  const uint64_t sectors = div_ceil<uint64_t>(layer.block_count(), kEntriesPerSector);
  is_dirty_.resize(sectors);
  dirty_.reserve(sectors);
  // Address space only: no page of these is touched before it is used.
  free_.reserve(layer.block_count() + kGapsAtOnce);
  freed_.reserve(layer.block_count());
  freed_later_.reserve(layer.block_count());
  gap_places_.reserve(kGapsAtOnce);
  growth_.allocator = this;
  growth_.done = [](io::FileRequest& request) noexcept {
    auto& self = static_cast<Growth&>(request);
    self.allocator->end_step(self.error);
  };
  zero_request_.allocator = this;
  zero_request_.done = [](io::FileRequest& request) noexcept {
    Allocator& self = *static_cast<Zeroing&>(request).allocator;
    self.zeroing_ = false;
    // What could not be zeroed stays unused: its space is lost until the next compaction.
    if (request.error != 0) {
      self.freed_[self.zeroed_count_] = self.freed_.back();
      self.freed_.pop_back();
    } else {
      ++self.zeroed_count_;
    }
    self.zero_next_freed();
  };
}

// Where a block's bitmap goes if the file is in use up to `end`: directly before its data, which is
// aligned.
uint64_t Allocator::bitmap_offset_after(uint64_t end) const noexcept {
  return align_up(end + layer_.bitmap_bytes(), alignment_) - layer_.bitmap_bytes();
}

uint64_t Allocator::block_end(uint64_t bitmap_offset) const noexcept {
  return bitmap_offset + layer_.bitmap_bytes() + layer_.block_bytes();
}

void Allocator::use(uint64_t block, uint64_t bitmap_offset) noexcept {
  layer_.set_place(block, static_cast<uint32_t>(bitmap_offset / kSectorBytes));
  mark_dirty(block);
}

Allocator::Outcome Allocator::allocate(uint64_t block) noexcept {
  if (!free_.empty()) {
    use(block, uint64_t{free_.back()} * kSectorBytes);
    free_.pop_back();
    if (free_.empty() && !gaps_.empty()) start_growth_ahead();
    return Outcome::kDone;
  }
  const uint64_t offset = bitmap_offset_after(end_);
  const bool is_full = offset > kMaxFileOffset - kSectorBytes;
  if (!is_full && block_end(offset) <= zero_end_) {
    use(block, offset);
    end_ = block_end(offset);
    if (zero_end_ - end_ < growth_bytes_ / 2) start_growth_ahead();
    return Outcome::kDone;
  }
  if (growth_.step == Step::kIdle) {
    if (is_full && gaps_.empty()) return Outcome::kNoSpace;
    start_growth();
  } else if (growth_.is_ahead) {
    growth_.is_ahead = false;
    growth_bytes_ = std::min(growth_bytes_ * 2, max_growth_bytes_);
  }
  return Outcome::kWait;
}

void Allocator::start_growth_ahead() noexcept {
  if (growth_.step != Step::kIdle || growth_.failed) return;
  growth_.is_ahead = true;
  start_growth();
}

// Where a footer goes that has at least `least` bytes before it and this growth's step of space
// behind end_.
uint64_t Allocator::footer_place(uint64_t least) noexcept {
  const uint64_t step = growth_.smallest ? 0 : growth_bytes_;
  const uint64_t wanted =
      std::max({least, end_ + step, file_end_ > kSectorBytes ? file_end_ - kSectorBytes : 0});
  const uint64_t bitmap_room = align_up<uint64_t>(layer_.bitmap_bytes(), alignment_);
  const uint64_t stride = bitmap_room + layer_.block_bytes();
  const uint64_t first_end = block_end(bitmap_offset_after(end_));
  growth_.is_in_gap = bitmap_room - layer_.bitmap_bytes() >= kSectorBytes;
  return first_end + div_ceil(wanted - std::min(wanted, first_end), stride) * stride;
}

// Rule 5, or 4 for what an earlier session left between blocks. If the file is already longer than
// its blocks need, as after a cut, only the zeroing is left to be done.
void Allocator::start_growth() noexcept {
  growth_.is_for_gaps = take_gaps();
  if (growth_.is_for_gaps) {
    zeroed_gaps_ = 0;
    if (gaps_synced_) {
      zero_next_gap();
    } else {
      start_step(Step::kFirstSync);
    }
    return;
  }
  const uint64_t least = block_end(bitmap_offset_after(end_));
  if (zero_end_ < footer_offset_ && least <= footer_offset_ &&
      file_end_ <= footer_offset_ + kSectorBytes) {
    growth_.footer_offset = footer_offset_;
    growth_.is_in_gap = false;
    start_step(Step::kFirstSync);
    return;
  }
  growth_.footer_offset = footer_place(least);
  start_step(Step::kFooter);
}

// Moves places from gaps_ to gap_places_; false if there are none.
bool Allocator::take_gaps() noexcept {
  gap_places_.clear();
  const uint64_t size = layer_.bitmap_bytes() + layer_.block_bytes();
  while (!gaps_.empty() && gap_places_.size() < kGapsAtOnce) {
    Gap& gap = gaps_.back();
    uint64_t place = bitmap_offset_after(gap.offset);
    if (place + size > gap.end) place = gap.offset;  // as unaligned as the file's own blocks
    if (place + size > gap.end || place > kMaxFileOffset - kSectorBytes) {
      gaps_.pop_back();
      continue;
    }
    gap_places_.push_back(static_cast<uint32_t>(place / kSectorBytes));
    gap.offset = place + size;
  }
  return !gap_places_.empty();
}

void Allocator::zero_next_gap() noexcept {
  start_step(zeroed_gaps_ == gap_places_.size() ? Step::kSecondSync : Step::kGap);
}

void Allocator::start_step(Step step) noexcept {
  growth_.step = step;
  growth_.data = {};
  switch (step) {
    case Step::kIdle:
      return;
    case Step::kFooter:
      growth_.op = io::FileOp::kWrite;
      growth_.offset = growth_.footer_offset;
      growth_.length = kSectorBytes;
      growth_.data = {&footer_memory_, 1};
      break;
    case Step::kFirstSync:
    case Step::kSecondSync:
      growth_.op = io::FileOp::kDataSync;
      break;
    case Step::kZero:
      growth_.op = io::FileOp::kZero;
      growth_.offset = zero_end_;
      growth_.length = std::min(unknown_end_, growth_.footer_offset) - zero_end_;
      break;
    case Step::kGap:
      growth_.op = io::FileOp::kZero;
      growth_.offset = uint64_t{gap_places_[zeroed_gaps_]} * kSectorBytes;
      growth_.length = layer_.bitmap_bytes() + layer_.block_bytes();
      break;
  }
  layer_.file().submit(growth_);
}

void Allocator::end_step(int error) noexcept {
  if (error != 0) {
    fail_growth(error);
    return;
  }
  switch (growth_.step) {
    case Step::kFooter:
      file_end_ = std::max(file_end_, growth_.footer_offset + kSectorBytes);
      start_step(Step::kFirstSync);
      break;
    case Step::kFirstSync:
      if (growth_.is_for_gaps) {
        gaps_synced_ = true;
        zero_next_gap();
      } else if (footer_in_gap_ && zero_end_ == footer_offset_) {
        end_growth();
      } else {
        start_step(Step::kZero);
      }
      break;
    case Step::kZero:
      start_step(Step::kSecondSync);
      break;
    case Step::kGap:
      ++zeroed_gaps_;
      zero_next_gap();
      break;
    case Step::kSecondSync:
      end_growth();
      break;
    case Step::kIdle:
      break;
  }
}

void Allocator::fail_growth(int error) noexcept {
  const Step step = growth_.step;
  growth_.step = Step::kIdle;
  growth_.is_ahead = false;
  if (growth_.is_for_gaps && step == Step::kGap) {
    start_growth();  // with the next ones, or the file's end; these are left to the next open
    return;
  }
  growth_.failed = true;
  if (step == Step::kFirstSync || step == Step::kSecondSync) owner_.on_sync_failed();
  if (!growth_.is_for_gaps) {
    unknown_end_ = std::max(unknown_end_, growth_.footer_offset + kSectorBytes);
    footer_in_gap_ = false;
  }
  if (step == Step::kFooter && error == ENOSPC && !growth_.smallest) {
    growth_.smallest = true;
    start_growth();
    return;
  }
  growth_.smallest = false;
  owner_.on_space(error);
}

void Allocator::end_growth() noexcept {
  growth_.step = Step::kIdle;
  growth_.is_ahead = false;
  growth_.failed = growth_.smallest;
  growth_.smallest = false;
  if (growth_.is_for_gaps) {
    const size_t room = std::min(gap_places_.size(), free_.capacity() - free_.size());
    free_.insert(free_.end(), gap_places_.begin(),
                 gap_places_.begin() + static_cast<ptrdiff_t>(room));
  } else {
    footer_moved_ |= growth_.footer_offset != footer_offset_;
    footer_in_gap_ = growth_.is_in_gap;
    zero_end_ = growth_.footer_offset;
    footer_offset_ = growth_.footer_offset;
    unknown_end_ = footer_offset_ + kSectorBytes;
  }
  owner_.on_space(0);
}

bool Allocator::release(uint64_t block) noexcept {
  std::vector<uint32_t>& list = freed_state_ == FreedState::kCollecting ? freed_ : freed_later_;
  if (list.size() == list.capacity()) return false;
  list.push_back(layer_.place(block));
  layer_.set_place(block, kUnusedEntry);
  mark_dirty(block);
  return true;
}

void Allocator::mark_dirty(uint64_t block) noexcept {
  const auto sector = static_cast<uint32_t>(block / kEntriesPerSector);
  if (is_dirty_[sector]) return;
  is_dirty_[sector] = true;
  dirty_.push_back(sector);
}

void Allocator::fill_table_sector(uint32_t sector,
                                  std::span<std::byte, kSectorBytes> out) const noexcept {
  const size_t first = size_t{sector} * kEntriesPerSector;
  for (size_t i = 0; i < kEntriesPerSector; ++i) {
    // Entries behind the last block, if there are any, are unused, and padding is 0xFF.
    const be32 entry = first + i < layer_.block_count() ? layer_.place(first + i) : kUnusedEntry;
    std::memcpy(out.data() + i * sizeof(entry), &entry, sizeof(entry));
  }
}

void Allocator::commit_started(uint64_t next_sequence) noexcept {
  if (freed_state_ != FreedState::kCollecting || freed_.empty()) return;
  freed_state_ = FreedState::kCommitting;
  freed_before_ = next_sequence;
  owner_.begin_grace();
}

void Allocator::commit_ended(bool ok) noexcept {
  if (freed_state_ != FreedState::kCommitting) return;
  freed_state_ = ok ? FreedState::kCommitted : FreedState::kCollecting;
  zeroed_count_ = 0;
  operations_ended();
}

void Allocator::zero_next_freed() noexcept {
  if (zeroing_ || owner_.oldest_operation() < freed_before_ || !owner_.grace_is_over()) return;
  if (zeroed_count_ == freed_.size()) {
    freed_state_ = FreedState::kZeroed;
    return;
  }
  zeroing_ = true;
  zero_request_.op = io::FileOp::kZero;
  zero_request_.offset = uint64_t{freed_[zeroed_count_]} * kSectorBytes;
  zero_request_.length = layer_.bitmap_bytes() + layer_.block_bytes();
  layer_.file().submit(zero_request_);
}

void Allocator::sync_started() noexcept {
  if (freed_state_ == FreedState::kZeroed) freed_state_ = FreedState::kSyncing;
}

void Allocator::sync_ended(bool ok) noexcept {
  if (freed_state_ != FreedState::kSyncing) return;
  freed_state_ = FreedState::kZeroed;
  if (!ok) return;
  // What finds no room is lost until the next open finds it again.
  const size_t room = std::min(freed_.size(), free_.capacity() - free_.size());
  free_.insert(free_.end(), freed_.begin(), freed_.begin() + static_cast<ptrdiff_t>(room));
  freed_.swap(freed_later_);
  freed_later_.clear();
  freed_state_ = FreedState::kCollecting;
}

Result<void> Allocator::close() {
  const uint64_t offset = align_up<uint64_t>(end_, kSectorBytes);
  if (!footer_moved_ || offset >= footer_offset_) return {};
  VIRIDIAN_TRY(layer_.file().write_at(offset, wire_bytes(footer_)));
  VIRIDIAN_TRY(layer_.file().sync());
  return layer_.file().resize(offset + kSectorBytes);
}

}  // namespace viridian::vhd
