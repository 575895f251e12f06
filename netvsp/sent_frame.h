// One frame of the guest, from its RNDIS message to the rte_mbuf that the switch moves.
//
// The message header and the per-packet information are copied and judged; then the frame's own
// headers are copied into the mbuf, and the payload stays where it is, attached: it is read once,
// by whoever receives it. Data path, the reactor's thread.
#pragma once

#include <rte_mbuf.h>

#include <cstdint>
#include <optional>

#include "netvsp/gathered.h"
#include "netvsp/statistics.h"

namespace viridian::netvsp {

struct SentFrame {
  uint64_t data_at = 0;  // in the message
  uint32_t data_length = 0;
  std::optional<uint32_t> checksum;    // rndis_protocol.h: checksum_request
  std::optional<uint32_t> large_send;  // large_send
  std::optional<uint32_t> vlan;
};

// The RNDIS packet of `length` bytes at `at` of `message`. The reason if it breaks the format.
std::optional<GuestError> parse_packet(const Gathered& message, uint64_t at, uint32_t length,
                                       SentFrame& frame) noexcept;

enum class BuildError : uint8_t { kNoMemory, kBadFrame };

// The frame as an mbuf of `pool`, or null with the reason in `error`, which says nothing else.
// Payload that is attached takes a reference of `shared` for each piece.
rte_mbuf* build_frame(rte_mempool* pool, const Gathered& message, const SentFrame& frame,
                      rte_mbuf_ext_shared_info& shared, BuildError& error) noexcept;

}  // namespace viridian::netvsp
