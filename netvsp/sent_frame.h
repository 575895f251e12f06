// One frame of the guest, from its RNDIS message to the rte_mbuf that the switch moves.
//
// The message header and the per-packet information are copied and judged; then the frame's own
// headers are copied into the mbuf, and the payload stays where it is, attached: it is read once,
// by whoever receives it. Data path, the reactor's thread.
#pragma once

#include <rte_mbuf.h>

#include <cstdint>
#include <optional>

#include "netvsp/frame_stash.h"
#include "netvsp/gathered.h"
#include "netvsp/statistics.h"
#include "vswitch/frame.h"

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

// What keeps the guest's pages: pieces that are attached take references which are there already,
// and count them. At most one for each piece of the message and kMaxExtraPieces for each frame.
struct PageReferences {
  rte_mbuf_ext_shared_info& shared;
  uint32_t& used;
};
constexpr uint32_t kMaxPieceBytes = 32768;  // of an attached buffer, whose length has 16 bits
constexpr uint32_t kMaxExtraPieces = vswitch::kMaxFrameBytes / kMaxPieceBytes + 1;

// The frame as an mbuf, or null with the reason in `error`, which says nothing else.
rte_mbuf* build_frame(FrameStash& stash, const Gathered& message, const SentFrame& frame,
                      PageReferences pages, BuildError& error) noexcept;

}  // namespace viridian::netvsp
