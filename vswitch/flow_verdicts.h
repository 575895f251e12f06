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

constexpr size_t kUsualBytes = 14 + 20 + 12;  // up to what parse_packet() wants of TCP

// `frame` begins with an Ethernet header without a tag. Nothing: not a usual packet.
inline std::optional<FlowKey> flow_key_of(std::span<const uint8_t> frame) noexcept {
  constexpr uint64_t kTcp = 6;
  constexpr uint64_t kUdp = 17;
  if (frame.size() < kUsualBytes) return std::nullopt;
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
                     total >= kUsualBytes - 14 && (fragment_to_source & 0xFF1F) == 0 &&
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
  void reset(bool used) {
    lines_.assign(used ? kLines : 0, Line{});
    last_ = {};
  }

  // What `judge` says of the packet, which is asked only if that is not known.
  template <class Judge>
  DropReason of(std::span<const uint8_t> frame, Judge&& judge) noexcept {
    if (const auto known = of_last(frame)) [[likely]]
      return *known;
    const auto key = flow_key_of(frame);
    if (!key) return judge();
    if (const auto known = find(frame, *key)) return *known;
    const DropReason verdict = judge();
    remember(*key, verdict);
    return verdict;
  }

  // The verdict of the usual packet before, if this one is of the same flow: most are.
  std::optional<DropReason> of_last(std::span<const uint8_t> frame) const noexcept {
    if (frame.size() < kUsualBytes) return std::nullopt;
    uint16_t total = 0;
    std::memcpy(&total, frame.data() + 16, sizeof(total));
    if (__builtin_bswap16(total) < kUsualBytes - 14) return std::nullopt;
    const Headers headers = headers_of(frame);
    const __m128i differs = _mm_or_si128(_mm_xor_si128(headers.first, last_.first),
                                         _mm_xor_si128(headers.second, last_.second));
    if (_mm_testz_si128(differs, differs) == 0) return std::nullopt;
    return last_verdict_;
  }

  // That of an earlier packet with the key, which is the frame's.
  std::optional<DropReason> find(std::span<const uint8_t> frame, const FlowKey& key) noexcept {
    const Line& line = lines_[place_of(key) % kLines];
    const __m128i addresses = _mm_set1_epi64x(static_cast<int64_t>(key.addresses));
    const __m128i rest = _mm_set1_epi64x(static_cast<int64_t>(key.rest));
    const __m128i mask = _mm_set1_epi64x((1LL << kVerdictShift) - 1);
    const auto matches = [&](size_t slot) {
      const __m128i known = _mm_and_si128(load(&line.rest[slot]), mask);
      return _mm_and_si128(_mm_cmpeq_epi64(load(&line.addresses[slot]), addresses),
                           _mm_cmpeq_epi64(known, rest));
    };
    const __m128i both = _mm_packs_epi32(matches(0), matches(2));
    const auto hits = static_cast<unsigned>(_mm_movemask_epi8(both));
    if (hits == 0) return std::nullopt;
    const uint64_t found = line.rest[static_cast<unsigned>(std::countr_zero(hits)) / 4];
    last_ = headers_of(frame);
    last_verdict_ = static_cast<DropReason>(found >> kVerdictShift & 0xFF);
    return last_verdict_;
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
  // Bytes 12 to 27 and 26 to 41 of a frame, of which only those count that its key depends on.
  struct Headers {
    __m128i first{};
    __m128i second{};
  };

  static __m128i load(const void* bytes) noexcept {
    __m128i result;
    std::memcpy(&result, bytes, sizeof(result));
    return result;
  }
  static Headers headers_of(std::span<const uint8_t> frame) noexcept {
    // Type, version; fragment offset and protocol; the start of the source. Addresses and ports.
    const __m128i first = _mm_setr_epi8(-1, -1, -1, 0, 0, 0, 0, 0, 0x1F, -1, 0, -1, 0, 0, -1, -1);
    const __m128i second =
        _mm_setr_epi8(-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0);
    return {_mm_and_si128(load(frame.data() + 12), first),
            _mm_and_si128(load(frame.data() + 26), second)};
  }
  static uint64_t place_of(const FlowKey& key) noexcept {
    return _mm_crc32_u64(_mm_crc32_u64(0, key.addresses), key.rest);
  }

  std::vector<Line> lines_;
  size_t next_ = 0;
  Headers last_;  // zeroes, which no usual packet has, until there is one
  DropReason last_verdict_ = DropReason::kNone;
};

}  // namespace viridian::vswitch
