#include "vswitch/mac_table.h"

#include <immintrin.h>

#include <algorithm>
#include <bit>
#include <random>
#include <tuple>

namespace viridian::vswitch {

MacTable::MacTable(uint32_t capacity, uint32_t max_age_s)
    : capacity_(std::clamp<uint32_t>(capacity, 1, kMaxMacs)), max_age_s_(max_age_s) {
  std::random_device random;
  secret_ = static_cast<uint64_t>(random()) << 32 | random();
  const size_t buckets = std::bit_ceil(std::max<size_t>(2, 2ULL * capacity_ / kSlots));
  bucket_mask_ = buckets - 1;
  buckets_.resize(buckets);
  find_all_ =
      __builtin_cpu_supports("avx512f") != 0 ? &MacTable::find_all_avx512 : &MacTable::find_all_sse;
  limits_.fill(kDefaultPortMacs);
}

int MacTable::slot_of(const Bucket& bucket, uint64_t key) noexcept {
  struct Line {
    __m128i pairs[4];
  };
  const auto [pairs] = std::bit_cast<Line>(bucket.keys);
  const __m128i wanted = _mm_set1_epi64x(static_cast<int64_t>(key));
  const __m128i low =
      _mm_packs_epi32(_mm_cmpeq_epi64(pairs[0], wanted), _mm_cmpeq_epi64(pairs[1], wanted));
  const __m128i high =
      _mm_packs_epi32(_mm_cmpeq_epi64(pairs[2], wanted), _mm_cmpeq_epi64(pairs[3], wanted));
  const auto hits = static_cast<unsigned>(_mm_movemask_epi8(_mm_packs_epi16(low, high)));
  return hits == 0 ? -1 : std::countr_zero(hits) / 2;
}

const MacEntry* MacTable::entry_of(uint64_t key, uint64_t hash) const noexcept {
  if (key == 0) return nullptr;  // which would find a free place
  for (const size_t at : {first_bucket(hash), second_bucket(hash)}) {
    const Bucket& bucket = buckets_[at];
    const int slot = slot_of(bucket, key);
    if (slot >= 0) return &bucket.entries[static_cast<unsigned>(slot)];
  }
  return nullptr;
}

void MacTable::find_all_sse(std::span<const uint64_t> keys, const uint64_t* hashes,
                            MacEntry** found) noexcept {
  uint64_t last = 0;
  MacEntry* entry = nullptr;
  for (size_t i = 0; i < keys.size(); ++i) {
    if (keys[i] != last) {
      last = keys[i];
      entry = const_cast<MacEntry*>(entry_of(last, hashes[i]));
    }
    found[i] = entry;
  }
}

// The same once more: a function for other processors cannot share inlined code with it.
[[gnu::target("avx512f")]] void MacTable::find_all_avx512(std::span<const uint64_t> keys,
                                                          const uint64_t* hashes,
                                                          MacEntry** found) noexcept {
  uint64_t last = 0;
  MacEntry* entry = nullptr;
  Bucket* const buckets = buckets_.data();
  for (size_t i = 0; i < keys.size(); ++i) {
    if (keys[i] != last) {
      last = keys[i];
      const __m512i wanted = _mm512_set1_epi64(static_cast<int64_t>(last));
      Bucket* bucket = buckets + first_bucket(hashes[i]);
      uint32_t hits = _mm512_cmpeq_epi64_mask(_mm512_load_si512(bucket->keys.data()), wanted);
      if (hits == 0) {
        bucket = buckets + second_bucket(hashes[i]);
        hits = _mm512_cmpeq_epi64_mask(_mm512_load_si512(bucket->keys.data()), wanted);
      }
      const bool there = hits != 0 && last != 0;
      entry = there ? bucket->entries.data() + std::countr_zero(hits) : nullptr;
    }
    found[i] = entry;
  }
}

MacEntry* MacTable::place(uint64_t key) noexcept {
  const uint64_t hash = hash_of(key);
  const size_t choices[2] = {first_bucket(hash), second_bucket(hash)};
  const auto used = [&](size_t bucket) {
    const auto& keys = buckets_[bucket].keys;
    return kSlots - std::count(keys.begin(), keys.end(), uint64_t{0});
  };
  Bucket& bucket = buckets_[used(choices[1]) < used(choices[0]) ? choices[1] : choices[0]];
  const int slot = slot_of(bucket, 0);
  if (slot < 0) return nullptr;
  bucket.keys[static_cast<unsigned>(slot)] = key;
  ++size_;
  return &bucket.entries[static_cast<unsigned>(slot)];
}

uint8_t MacTable::moves_at(const MacEntry& entry, uint32_t now_s) noexcept {
  const auto passed_s = static_cast<uint8_t>(now_s - entry.moves_s);
  return static_cast<uint8_t>(entry.moves - std::min(entry.moves, passed_s));
}

MacTable::Learned MacTable::learn(uint64_t key, PortId port, uint32_t now_s) noexcept {
  auto* entry = const_cast<MacEntry*>(entry_of(key, hash_of(key)));
  if (entry == nullptr) {
    if (size_ >= capacity_ || learned_[port] >= limits_[port]) return Learned::kFull;
    entry = place(key);
    if (entry == nullptr) return Learned::kFull;
    *entry = {.port = port, .moves_s = static_cast<uint8_t>(now_s), .seen_s = now_s};
    ++learned_[port];
    return Learned::kAdded;
  }
  if (entry->port == port) [[likely]] {
    if (entry->seen_s != now_s) entry->seen_s = now_s;
    return Learned::kKnown;
  }
  return move(*entry, port, now_s);
}

MacTable::Learned MacTable::move(MacEntry& entry, PortId port, uint32_t now_s) noexcept {
  if (entry.fixed()) return Learned::kFixed;
  entry.moves = moves_at(entry, now_s);
  entry.moves_s = static_cast<uint8_t>(now_s);
  const bool forgotten = is_old(entry, now_s);
  if (!forgotten && entry.moves >= kMaxMoves) return Learned::kMoveRefused;
  if (learned_[port] >= limits_[port]) return Learned::kFull;
  --learned_[entry.port];
  ++learned_[port];
  entry.port = port;
  entry.seen_s = now_s;
  entry.moves = forgotten ? uint8_t{0} : static_cast<uint8_t>(entry.moves + 1);
  return Learned::kMoved;
}

void MacTable::adopt(uint64_t key, const MacEntry& told) noexcept {
  auto* entry = const_cast<MacEntry*>(entry_of(key, hash_of(key)));
  if (entry == nullptr) {
    if (size_ >= capacity_) return;
    entry = place(key);
    if (entry == nullptr) return;
  } else {
    const bool is_later = std::tuple(entry->seen_s, moves_at(*entry, entry->seen_s), told.port) >
                          std::tuple(told.seen_s, moves_at(told, told.seen_s), entry->port);
    if (entry->fixed() || is_later) return;
    --learned_[entry->port];
  }
  *entry = told;
  ++learned_[told.port];
}

bool MacTable::set_fixed(uint64_t key, PortId port) noexcept {
  erase(key);
  if (key == 0 || size_ >= capacity_) return false;
  MacEntry* entry = place(key);
  if (entry == nullptr) return false;
  *entry = {.port = port, .moves = MacEntry::kFixed};
  return true;
}

void MacTable::release(Bucket& bucket, unsigned slot) noexcept {
  const MacEntry& entry = bucket.entries[slot];
  if (!entry.fixed()) --learned_[entry.port];
  bucket.keys[slot] = 0;
  --size_;
}

bool MacTable::erase(uint64_t key) noexcept {
  const uint64_t hash = hash_of(key);
  for (const size_t bucket : {first_bucket(hash), second_bucket(hash)}) {
    const int slot = slot_of(buckets_[bucket], key);
    if (key == 0 || slot < 0) continue;
    release(buckets_[bucket], static_cast<unsigned>(slot));
    return true;
  }
  return false;
}

template <class Unwanted>
void MacTable::release_if(Unwanted&& unwanted) noexcept {
  for (Bucket& bucket : buckets_) {
    for (unsigned slot = 0; slot < kSlots; ++slot) {
      if (bucket.keys[slot] != 0 && unwanted(bucket.entries[slot])) release(bucket, slot);
    }
  }
}

void MacTable::flush_port(PortId port) noexcept {
  release_if([port](const MacEntry& entry) { return entry.port == port; });
}

void MacTable::flush_learned() noexcept {
  release_if([](const MacEntry& entry) { return !entry.fixed(); });
}

void MacTable::age(uint32_t now_s, uint32_t buckets) noexcept {
  for (uint32_t i = 0; i < buckets; ++i) {
    Bucket& bucket = buckets_[next_aged_];
    next_aged_ = (next_aged_ + 1) & static_cast<uint32_t>(bucket_mask_);
    for (unsigned slot = 0; slot < kSlots; ++slot) {
      if (bucket.keys[slot] != 0 && is_old(bucket.entries[slot], now_s)) release(bucket, slot);
    }
  }
}

}  // namespace viridian::vswitch
