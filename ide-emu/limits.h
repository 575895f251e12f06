// Every bound of the IDE controller in one place.
#pragma once

#include <cstddef>
#include <cstdint>

namespace viridian::ide {

constexpr unsigned kChannelCount = 2;
constexpr unsigned kDriveCount = 2;  // of one channel

// The largest DRQ block that SET MULTIPLE MODE may ask for, and so the buffer of a channel.
constexpr uint32_t kMaxMultipleSectors = 16;
constexpr uint32_t kBufferBytes = kMaxMultipleSectors * 512;

// PRD entries that one disk request gathers. A sector in entries of two bytes needs 256.
constexpr size_t kMaxDmaSegments = 512;
static_assert(kMaxDmaSegments >= 2 * 256);

// A longer DMA command becomes several disk requests.
constexpr uint32_t kMaxDmaRequestBytes = 1 << 20;

}  // namespace viridian::ide
