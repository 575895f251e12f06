// Joins TCP segments of one burst that follow each other into one large frame, as a network card
// with large receive offload does: for ports whose other end sends segments alone.
//
// Nothing is lost by it: a receiver that cannot take large frames gets the same segments again
// (offload.h). Only what is certain is joined: RFC 9293 data segments with ACK, and PSH on the
// last, whose checksums are right, whose headers differ in nothing but length, number and checksum,
// over IPv4 without options and IPv6 without extensions. Worker's thread, data path.
#pragma once

#include <cstdint>
#include <span>

#include "vswitch/frame.h"

namespace viridian::vswitch {

// Of one frame; a receiver's scatter list must hold them.
constexpr uint16_t kMaxCoalescedParts = 48;

// Leaves the frames that remain at the front, in their order, and returns how many.
uint16_t coalesce(std::span<rte_mbuf*> frames) noexcept;

}  // namespace viridian::vswitch
