#include "vhd/bitmap_cache.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>

namespace viridian::vhd {
namespace {

constexpr uint32_t kNone = ~uint32_t{0};
constexpr size_t kAlignment = 4096;

}  // namespace

BitmapCache::BitmapCache(uint32_t slot_count)
    : slots_(slot_count), buckets_(std::bit_ceil(std::max(slot_count, 1u)) * 2, kNone) {
  const size_t bytes = align_up<size_t>(size_t{slot_count} * 2 * kSectorBytes, kAlignment);
  memory_.reset(
      static_cast<std::byte*>(std::aligned_alloc(kAlignment, std::max(bytes, kAlignment))));
  if (!memory_) std::abort();  // as operator new does without exceptions
  dirty_.reserve(slot_count);
  for (uint32_t i = 0; i < slot_count; ++i) {
    slots_[i].bits = memory_.get() + size_t{i} * 2 * kSectorBytes;
    slots_[i].shadow = slots_[i].bits + kSectorBytes;
    slots_[i].shadow_memory = {slots_[i].shadow, kSectorBytes};
  }
}

uint32_t& BitmapCache::bucket(uint32_t layer, uint64_t unit) noexcept {
  const uint64_t hash = (unit + (uint64_t{layer} << 40)) * 0x9e3779b97f4a7c15ull;
  return buckets_[(hash >> 32) & (buckets_.size() - 1)];
}

BitmapSlot* BitmapCache::find(uint32_t layer, uint64_t unit) noexcept {
  for (uint32_t i = bucket(layer, unit); i != kNone; i = slots_[i].next) {
    BitmapSlot& slot = slots_[i];
    if (slot.unit == unit && slot.layer == layer) {
      slot.recent = true;
      return &slot;
    }
  }
  return nullptr;
}

BitmapSlot* BitmapCache::take(uint32_t layer, uint64_t unit) noexcept {
  // Twice round: the first may only clear the marks of recent use.
  for (size_t looked = 0; looked < 2 * slots_.size(); ++looked) {
    BitmapSlot& slot = slots_[hand_];
    hand_ = hand_ + 1 == slots_.size() ? 0 : hand_ + 1;
    if (slot.pins > 0 || slot.dirty || slot.committing) continue;
    if (slot.state == BitmapSlot::State::kLoading) continue;
    if (slot.state == BitmapSlot::State::kReady && slot.recent) {
      slot.recent = false;
      continue;
    }
    if (slot.state == BitmapSlot::State::kReady) unlink(slot);
    slot.state = BitmapSlot::State::kLoading;
    slot.recent = true;
    slot.layer = layer;
    slot.unit = unit;
    std::memset(slot.bits, 0, kSectorBytes);
    uint32_t& head = bucket(layer, unit);
    slot.next = head;
    head = index_of(slot);
    return &slot;
  }
  return nullptr;
}

void BitmapCache::drop(BitmapSlot& slot) noexcept {
  unlink(slot);
  slot.state = BitmapSlot::State::kFree;
  slot.dirty = false;
}

void BitmapCache::unlink(BitmapSlot& slot) noexcept {
  const uint32_t index = index_of(slot);
  uint32_t* link = &bucket(slot.layer, slot.unit);
  while (*link != index)
    link = &slots_[*link].next;
  *link = slot.next;
}

void BitmapCache::mark_dirty(BitmapSlot& slot) noexcept {
  slot.dirty = true;
  if (slot.listed) return;
  slot.listed = true;
  dirty_.push_back(index_of(slot));
}

namespace {

// Eight bytes of the bitmap as a number whose top bit is the first sector.
uint64_t word_at(const std::byte* bits, uint32_t word) noexcept {
  uint64_t value;
  std::memcpy(&value, bits + size_t{word} * 8, 8);
  return std::endian::native == std::endian::little ? __builtin_bswap64(value) : value;
}

}  // namespace

BitRun run_of_bits(const std::byte* bits, uint32_t first, uint32_t limit) noexcept {
  uint64_t word = word_at(bits, first / 64) << (first % 64);
  const bool set = (word >> 63) != 0;
  uint32_t length = 0;
  uint32_t in_word = 64 - first % 64;
  for (uint32_t index = first / 64; length < limit;) {
    const auto same = static_cast<uint32_t>(std::countl_zero(set ? ~word : word));
    length += std::min(same, in_word);
    if (same < in_word) break;
    in_word = 64;
    if (++index == kSectorBytes / 8) break;
    word = word_at(bits, index);
  }
  return {set, std::min(length, limit)};
}

void set_bits(std::byte* bits, uint32_t first, uint32_t count) noexcept {
  for (; count > 0 && first % 8 != 0; ++first, --count)
    bits[first / 8] |= std::byte(0x80 >> (first % 8));
  std::memset(bits + first / 8, 0xFF, count / 8);
  first += count / 8 * 8;
  for (count %= 8; count > 0; ++first, --count)
    bits[first / 8] |= std::byte(0x80 >> (first % 8));
}

}  // namespace viridian::vhd
