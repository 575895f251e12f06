// What the guards and rules of a port said of a flow, so that its next packets are not parsed.
//
// Only for the usual packet, whose 5-tuple lies where everybody puts it: IPv4 without options or a
// later fragment's offset, TCP or UDP, and enough bytes that parse_packet() finds it clear. All
// that is_from_dhcp_server(), is_from_router() and Acl::judge() ask of such a packet is in its key,
// so a remembered verdict is theirs. Any other packet has no key and is judged anew. A table of
// fixed size, forgotten when the settings change. One thread.
#pragma once

#include <nmmintrin.h>

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <vector>

#include "vswitch/drop_reason.h"

namespace viridian::vswitch {

struct FlowKey {
  uint64_t addresses;
  uint64_t rest;  // both ports, protocol, and a bit that is always set

  bool operator==(const FlowKey&) const = default;
};

// `frame` begins with an Ethernet header without a tag. Nothing: not a usual packet.
inline std::optional<FlowKey> flow_key_of(std::span<const uint8_t> frame) noexcept {
  constexpr size_t kLeastBytes = 14 + 20 + 12;  // up to what parse_packet() wants of TCP
  constexpr uint64_t kTcp = 6;
  constexpr uint64_t kUdp = 17;
  if (frame.size() < kLeastBytes) return std::nullopt;
  const auto word_at = [&](size_t at) {
    uint64_t word = 0;
    std::memcpy(&word, frame.data() + at, sizeof(word));
    return word;
  };
  const uint64_t type_to_id = word_at(12);
  const uint64_t fragment_to_source = word_at(20);
  const auto total = __builtin_bswap16(static_cast<uint16_t>(type_to_id >> 32));
  const uint64_t protocol = fragment_to_source >> 24 & 0xFF;
  const bool usual = (type_to_id & 0xFF'FFFF) == 0x45'0008 &&  // 0x0800, version 4, 20 bytes
                     total >= kLeastBytes - 14 && (fragment_to_source & 0xFF1F) == 0 &&
                     (protocol == kTcp || protocol == kUdp);
  if (!usual) return std::nullopt;
  constexpr uint64_t kAlways = 1ULL << 40;
  uint32_t ports = 0;
  std::memcpy(&ports, frame.data() + 34, sizeof(ports));
  return FlowKey{word_at(26), ports | protocol << 32 | kAlways};
}
static_assert(std::endian::native == std::endian::little);

class FlowVerdicts {
 public:
  // Forgets all; without `used` it takes no memory, and must not be asked.
  void reset(bool used) { lines_.assign(used ? kLines : 0, Line{}); }

  std::optional<DropReason> find(const FlowKey& key) const noexcept {
    const Line& line = lines_[place_of(key) % kLines];
    const auto load = [](const uint64_t* words) {
      __m128i pair;
      std::memcpy(&pair, words, sizeof(pair));
      return pair;
    };
    const __m128i addresses = _mm_set1_epi64x(static_cast<int64_t>(key.addresses));
    const __m128i rest = _mm_set1_epi64x(static_cast<int64_t>(key.rest));
    const __m128i mask = _mm_set1_epi64x((1LL << kVerdictShift) - 1);
    const __m128i first =
        _mm_and_si128(_mm_cmpeq_epi64(load(&line.addresses[0]), addresses),
                      _mm_cmpeq_epi64(_mm_and_si128(load(&line.rest[0]), mask), rest));
    const __m128i second =
        _mm_and_si128(_mm_cmpeq_epi64(load(&line.addresses[2]), addresses),
                      _mm_cmpeq_epi64(_mm_and_si128(load(&line.rest[2]), mask), rest));
    const auto hits = static_cast<unsigned>(_mm_movemask_epi8(_mm_packs_epi32(first, second)));
    if (hits == 0) return std::nullopt;
    const uint64_t found = line.rest[static_cast<unsigned>(std::countr_zero(hits)) / 4];
    return static_cast<DropReason>(found >> kVerdictShift & 0xFF);
  }

  void remember(const FlowKey& key, DropReason verdict) noexcept {
    Line& line = lines_[place_of(key) % kLines];
    const size_t slot = next_++ % kWays;
    line.addresses[slot] = key.addresses;
    line.rest[slot] = key.rest | static_cast<uint64_t>(verdict) << kVerdictShift;
  }

 private:
  static constexpr size_t kLines = 1024;
  static constexpr size_t kWays = 4;
  static constexpr int kVerdictShift = 48;
  struct alignas(64) Line {
    std::array<uint64_t, kWays> addresses{};
    std::array<uint64_t, kWays> rest{};  // and the verdict in the bits above; 0: free
  };

  static uint64_t place_of(const FlowKey& key) noexcept {
    return _mm_crc32_u64(_mm_crc32_u64(0, key.addresses), key.rest);
  }

  std::vector<Line> lines_;
  size_t next_ = 0;
};

}  // namespace viridian::vswitch
