// Which port an address was last seen at, for each VLAN: learned, aged, limited, and damped when an
// address moves too often. One thread.
//
// A key is 48 bits of address and 16 of VLAN in one word. A key may be in either of two buckets of
// eight; a bucket's keys fill one cache line and are compared all at once, with AVX-512 in one
// instruction where the processor has it; the next line holds their ports. The table has two places
// for each address it may hold, so a bucket is practically never full; if one is, the address is
// not learned and its frames are flooded. The hash has a secret, so nobody can aim at a bucket.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "vswitch/limits.h"

namespace viridian::vswitch {

using PortId = uint16_t;

constexpr uint64_t mac_key(uint64_t mac_bits, uint16_t vlan) noexcept {
  return mac_bits << 16 | vlan;
}

struct MacEntry {
  static constexpr uint8_t kFixed = 0xFF;

  PortId port = kNoPort;
  uint8_t moves = 0;    // recent ones: each second takes one away. Or kFixed
  uint8_t moves_s = 0;  // when one was last taken away, in seconds modulo 256
  uint32_t seen_s = 0;

  bool fixed() const noexcept { return moves == kFixed; }  // by a person: neither aged nor moved
};

class MacTable {
 public:
  enum class Learned : uint8_t { kKnown, kAdded, kMoved, kMoveRefused, kFixed, kFull };

  // Holds `capacity` (at most kMaxMacs) addresses.
  explicit MacTable(uint32_t capacity = kDefaultMacs, uint32_t max_age_s = kDefaultMacAgeS);

  void set_port_limit(PortId port, uint32_t limit) { limits_[port] = limit; }
  void set_max_age_s(uint32_t seconds) { max_age_s_ = seconds; }

  // Starts to bring what find_all() will read closer, and returns the hash that it asks for.
  uint64_t prefetch(uint64_t key) const noexcept {
    const uint64_t hash = hash_of(key);
    const Bucket& bucket = buckets_[first_bucket(hash)];
    __builtin_prefetch(&bucket.keys);
    __builtin_prefetch(&bucket.entries);
    return hash;
  }

  // A burst of lookups, of which each repeats the one before or reads two cache lines. Null: not
  // there. Entries stay where they are until they are erased or too old.
  void find_all(std::span<const uint64_t> keys, const uint64_t* hashes, MacEntry** found) noexcept {
    (this->*find_all_)(keys, hashes, found);
  }
  // The port of what was found; kNoPort if it was not, or was last seen too long ago.
  PortId port_of(const MacEntry* entry, uint32_t now_s) const noexcept {
    return entry != nullptr && !is_old(*entry, now_s) ? entry->port : kNoPort;
  }

  // kNoPort if the address is not known, or was last seen too long ago.
  PortId find(uint64_t key, uint32_t now_s) const noexcept {
    return port_of(entry_of(key, hash_of(key)), now_s);
  }

  Learned learn(uint64_t key, PortId port, uint32_t now_s) noexcept;

  // What another table of the same switch knows of an address; the later of two moves stays, and
  // of two at once the one to the lower port, so that all tables say the same in the end.
  void adopt(uint64_t key, const MacEntry& told) noexcept;
  const MacEntry* entry(uint64_t key) const noexcept { return entry_of(key, hash_of(key)); }

  // False if there is no room. Replaces what was learned.
  bool set_fixed(uint64_t key, PortId port) noexcept;
  bool erase(uint64_t key) noexcept;
  void flush_port(PortId port) noexcept;  // all of it, fixed ones too
  void flush_learned() noexcept;

  // Looks at the next `buckets` and frees what is too old.
  void age(uint32_t now_s, uint32_t buckets) noexcept;
  uint32_t bucket_count() const noexcept { return static_cast<uint32_t>(buckets_.size()); }

  uint32_t size() const noexcept { return size_; }
  uint32_t learned_at(PortId port) const noexcept { return learned_[port]; }

  template <class Visit>  // visit(key, const MacEntry&)
  void for_each(Visit&& visit) const {
    for (const Bucket& bucket : buckets_) {
      for (unsigned slot = 0; slot < kSlots; ++slot) {
        if (const uint64_t key = bucket.keys[slot]; key != 0) visit(key, bucket.entries[slot]);
      }
    }
  }

 private:
  static constexpr unsigned kSlots = 8;
  struct alignas(128) Bucket {
    std::array<uint64_t, kSlots> keys{};  // 0: free
    std::array<MacEntry, kSlots> entries{};
  };
  static_assert(sizeof(Bucket) == 128);
  using FindAll = void (MacTable::*)(std::span<const uint64_t>, const uint64_t*,
                                     MacEntry**) noexcept;

  uint64_t hash_of(uint64_t key) const noexcept {
    const auto product = static_cast<unsigned __int128>(key ^ secret_) * kOddNumber;
    return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
  }
  size_t first_bucket(uint64_t hash) const noexcept { return hash & bucket_mask_; }
  size_t second_bucket(uint64_t hash) const noexcept { return hash >> 32 & bucket_mask_; }

  static int slot_of(const Bucket& bucket, uint64_t key) noexcept;  // -1: not there
  const MacEntry* entry_of(uint64_t key, uint64_t hash) const noexcept;
  void find_all_sse(std::span<const uint64_t> keys, const uint64_t* hashes,
                    MacEntry** found) noexcept;
  void find_all_avx512(std::span<const uint64_t> keys, const uint64_t* hashes,
                       MacEntry** found) noexcept;
  bool is_old(const MacEntry& entry, uint32_t now_s) const noexcept {
    return !entry.fixed() && now_s - entry.seen_s > max_age_s_;
  }
  static uint8_t moves_at(const MacEntry& entry, uint32_t now_s) noexcept;
  MacEntry* place(uint64_t key) noexcept;
  Learned move(MacEntry& entry, PortId port, uint32_t now_s) noexcept;
  void release(Bucket& bucket, unsigned slot) noexcept;
  template <class Unwanted>
  void release_if(Unwanted&& unwanted) noexcept;

  static constexpr uint64_t kOddNumber = 0x9E3779B97F4A7C15;
  uint64_t secret_;
  uint64_t bucket_mask_;
  uint32_t capacity_;
  uint32_t max_age_s_;
  uint32_t size_ = 0;
  uint32_t next_aged_ = 0;
  FindAll find_all_;
  std::vector<Bucket> buckets_;
  std::array<uint32_t, kMaxPorts> learned_{};
  std::array<uint32_t, kMaxPorts> limits_{};
};

}  // namespace viridian::vswitch
