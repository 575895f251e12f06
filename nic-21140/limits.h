// Every bound of the 21140 in one place.
#pragma once

#include <cstddef>
#include <cstdint>

namespace viridian::tulip {

// Descriptors that one call of the worker takes: a ring that never ends keeps it no longer.
constexpr unsigned kDescriptorsPerPoll = 256;

// Descriptors over which one received frame may be spread.
constexpr unsigned kDescriptorsPerFrame = 64;

// What the transmitter sends as one frame before it calls it jabber.
constexpr uint32_t kMaxTransmitBytes = 2048;

// The longest frame with its FCS that is received: a longer one would run into the chip's watchdog.
constexpr uint32_t kMaxReceiveBytes = 2048;

// Without FCS; the chip pads what it sends, and what comes from the host may be shorter.
constexpr uint32_t kMinFrameBytes = 60;
constexpr uint32_t kFcsBytes = 4;
constexpr uint32_t kVlanTagBytes = 4;
constexpr uint32_t kAddressBytes = 6;

// With FCS; RDES0 calls a longer frame too long, and drivers take it all the same.
constexpr uint32_t kMaxEthernetBytes = 1518;

}  // namespace viridian::tulip
